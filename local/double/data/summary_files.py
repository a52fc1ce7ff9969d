"""The files of a summary: all servers, applications and tags."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from .contents import LATEST_TEXT, Contents, CsvFile, Kind, Row, by_name, csv_file
from .data_center import DataCenter, Server
from .headers import HEADERS
from .samples import time_text


def summary_files(data_center: DataCenter, contents: Contents) -> list[CsvFile]:
    file = partial(csv_file, data_center, contents)

    def of_servers(row: Callable[[DataCenter, Server], Row]) -> Callable[[], Iterable[Row]]:
        return lambda: (row(data_center, server) for server in data_center.servers())

    return [
        file("Application.csv", lambda: _applications(data_center)),
        file("ApplicationResourceAssociation.csv", of_servers(_association)),
        file("ImportTemplate", of_servers(_import_template)),
        file("NetworkInterface.csv", of_servers(_network_interface)),
        file("Server.csv", of_servers(_server)),
        file("SystemPerformance.csv", of_servers(_system_performance)),
        file("Tags.csv", lambda: _tags(data_center, contents.padding)),
        file("VMwareInfo.csv", lambda: _vmware_info(data_center)),
    ]


def _server(data_center: DataCenter, server: Server) -> Row:
    return (
        server.id,
        data_center.account,
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
        LATEST_TEXT,
        LATEST_TEXT,
    )


def _applications(data_center: DataCenter) -> Iterator[Row]:
    for application in data_center.applications():
        yield (
            application.id,
            data_center.account,
            application.name,
            application.description,
            "ACTIVE",
            application.server_count,
            LATEST_TEXT,
            LATEST_TEXT,
        )


def _association(data_center: DataCenter, server: Server) -> Row:
    application = data_center.application(server.application)
    return (f"{application.id}/{server.id}", data_center.account, application.id, server.id, "SERVER", LATEST_TEXT)


def _network_interface(data_center: DataCenter, server: Server) -> Row:
    switch = ("vSwitch0", "dvportgroup-1", "VM Network, prod") if server.hypervisor == "VMware" else ("", "", "")
    own = ("eth0", server.mac, server.ip, "255.0.0.0")
    return (f"{server.id}/eth0", data_center.account, server.id, *own, *switch, LATEST_TEXT)


def _tags(data_center: DataCenter, padding: int) -> Iterator[Row]:
    for server in data_center.servers():
        for key, value in server.tags:
            yield (data_center.account, server.id, "SERVER", key, value, LATEST_TEXT)
    for server, key, value in data_center.long_tags(padding):
        yield (data_center.account, server.id, "SERVER", key, value, LATEST_TEXT)


def _vmware_info(data_center: DataCenter) -> Iterator[Row]:
    return (_vmware(data_center, server) for server in data_center.servers() if server.hypervisor == "VMware")


def _vmware(data_center: DataCenter, server: Server) -> Row:
    inventory = ("vcenter-1", 'vCenter "Köln"', f"/DC1/vm/Produktion, {server.application}", "host-9", "datacenter-2")
    state = ("poweredOn", "toolsOk", 0, "c-0123456789abcdef")
    return (
        f"{server.id}/vm",
        data_center.account,
        server.id,
        f"vm-{server.index}",
        server.vm_name,
        *inventory,
        *state,
        LATEST_TEXT,
    )


def _system_performance(data_center: DataCenter, server: Server) -> Row:
    load = server.index * 11 % 1000
    hardware = (server.cpus, server.cores, 1 + server.index % 3, 1, server.ram_mb, server.disk_gb)
    usage = (load / 10, min(100.0, load / 8), server.ram_mb // 2)
    disk = (load * 1536, load * 256, load / 8, load / 16, load * 3072, load * 512, load / 4, load / 8)
    network = (load * 3072, load * 2048, load * 6144, load * 4096)
    return (f"{server.id}/performance", data_center.account, server.id, *hardware, *usage, *disk, *network, LATEST_TEXT)


def _import_template(data_center: DataCenter, server: Server) -> Row:
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
            "Applications": data_center.application(server.application).name,
            "Tags": ",".join(f"{key}={value}" for key, value in server.tags),
        },
    )
