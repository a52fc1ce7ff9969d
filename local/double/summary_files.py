"""The files of a summary: what is known of every server, application and tag."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from local.double.contents import LATER, Contents, CsvFile, Kind, Row, by_name, csv_file
from local.double.headers import HEADERS
from local.fleet import Fleet, Server, time_text


def summary_files(fleet: Fleet, contents: Contents) -> list[CsvFile]:
    file = partial(csv_file, fleet, contents)

    def of_servers(row: Callable[[Fleet, Server], Row]) -> Callable[[], Iterable[Row]]:
        return lambda: (row(fleet, server) for server in fleet.servers())

    return [
        file("Application.csv", lambda: _applications(fleet)),
        file("ApplicationResourceAssociation.csv", of_servers(_association)),
        file("ImportTemplate", of_servers(_import_template)),
        file("NetworkInterface.csv", of_servers(_network_interface)),
        file("Server.csv", of_servers(_server)),
        file("SystemPerformance.csv", of_servers(_system_performance)),
        file("Tags.csv", lambda: _tags(fleet, contents.padding)),
        file("VMwareInfo.csv", lambda: _vmware_info(fleet)),
    ]


def _server(fleet: Fleet, server: Server) -> Row:
    return (
        server.id,
        fleet.account,
        server.agent_id,
        server.cpu_type,
        server.host_name,
        server.hypervisor,
        server.os_name,
        server.os_version,
        server.smbios_id,
        "EC2" if server.hypervisor == "xen" else "OTHER",
        "RUNNING",
        time_text(server.created_at),
        LATER,
        LATER,
    )


def _applications(fleet: Fleet) -> Iterator[Row]:
    for application in fleet.applications():
        yield (
            application.id,
            fleet.account,
            application.name,
            application.description,
            "ACTIVE",
            application.server_count,
            LATER,
            LATER,
        )


def _association(fleet: Fleet, server: Server) -> Row:
    application = fleet.application(server.application)
    return (f"{application.id}/{server.id}", fleet.account, application.id, server.id, "SERVER", LATER)


def _network_interface(fleet: Fleet, server: Server) -> Row:
    switch = ("vSwitch0", "dvportgroup-1", "VM Network, prod") if server.hypervisor == "VMware" else ("", "", "")
    own = ("eth0", server.mac, server.ip, "255.0.0.0")
    return (f"{server.id}/eth0", fleet.account, server.id, *own, *switch, LATER)


def _tags(fleet: Fleet, padding: int) -> Iterator[Row]:
    for server in fleet.servers():
        for key, value in server.tags:
            yield (fleet.account, server.id, "SERVER", key, value, LATER)
    for server, key, value in fleet.long_tags(padding):
        yield (fleet.account, server.id, "SERVER", key, value, LATER)


def _vmware_info(fleet: Fleet) -> Iterator[Row]:
    return (_vmware(fleet, server) for server in fleet.servers() if server.hypervisor == "VMware")


def _vmware(fleet: Fleet, server: Server) -> Row:
    place = ("vcenter-1", 'vCenter "Köln"', f"/DC1/vm/Produktion, {server.application}", "host-9", "datacenter-2")
    state = ("poweredOn", "toolsOk", 0, "c-0123456789abcdef")
    return (f"{server.id}/vm", fleet.account, server.id, f"vm-{server.index}", server.vm_name, *place, *state, LATER)


def _system_performance(fleet: Fleet, server: Server) -> Row:
    load = server.index * 11 % 1000
    hardware = (server.cpus, server.cores, 1 + server.index % 3, 1, server.ram_mb, server.disk_gb)
    usage = (load / 10, min(100.0, load / 8), server.ram_mb // 2)
    disk = (load * 1536, load * 256, load / 8, load / 16, load * 3072, load * 512, load / 4, load / 8)
    network = (load * 3072, load * 2048, load * 6144, load * 4096)
    return (f"{server.id}/performance", fleet.account, server.id, *hardware, *usage, *disk, *network, LATER)


def _import_template(fleet: Fleet, server: Server) -> Row:
    return by_name(
        HEADERS[Kind.SUMMARY]["ImportTemplate"],
        {
            "SMBiosId": server.smbios_id,
            "IPAddress": server.ip,
            "MACAddress": server.mac,
            "HostName": server.host_name,
            "CPU.NumberOfProcessors": server.cpus,
            "CPU.NumberOfCores": server.cores,
            "CPU.NumberOfLogicalCores": server.cpus * server.cores,
            "OS.Name": server.os_name,
            "OS.Version": server.os_version,
            "VMware.VMName": server.vm_name,
            "RAM.TotalSizeInMB": server.ram_mb,
            "Applications": fleet.application(server.application).name,
            "Tags": ",".join(f"{key}={value}" for key, value in server.tags),
        },
    )
