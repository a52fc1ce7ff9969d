"""The files of an agent export: six tables and a results.json."""

from collections.abc import Callable, Iterable, Mapping

from local.double import headers
from local.double.contents import Contents, CsvFile, Row, member_name
from local.fleet import Fleet, Server, Span, time_text


def agent_files(fleet: Fleet, server: Server, contents: Contents) -> list[CsvFile]:
    span = contents.covered()
    count = contents.rows
    width = contents.connection_columns
    connection = headers.AGENT_CONNECTION[:width]

    def file(name: str, header: tuple[str, ...], rows: Callable[[], Iterable[Row]]) -> CsvFile:
        return CsvFile(member_name(fleet, contents, name), header, rows)

    return [
        file("osInfo.csv", headers.AGENT_OS_INFO, lambda: [_os_info(fleet, server, span)]),
        file("networkInterface.csv", headers.AGENT_NETWORK_INTERFACE, lambda: _interfaces(fleet, server, span)),
        file("process.csv", headers.AGENT_PROCESS, lambda: fleet.processes(server, span, contents.padding)),
        file("systemPerformance.csv", headers.AGENT_SYSTEM_PERFORMANCE, lambda: fleet.performance(server, span, count)),
        file(
            "sourceProcessConnection.csv",
            connection,
            lambda: (row[:width] for row in fleet.outgoing(server, span, count)),
        ),
        file(
            "destinationProcessConnection.csv",
            connection,
            lambda: (row[:width] for row in fleet.incoming(server, span, count)),
        ),
    ]


def _os_info(fleet: Fleet, server: Server, span: Span) -> Row:
    return (
        fleet.account,
        server.agent_id,
        server.os_name,
        server.os_version,
        server.cpu_type,
        server.host_name,
        server.hypervisor,
        time_text(span.start),
    )


def _interfaces(fleet: Fleet, server: Server, span: Span) -> list[Row]:
    seen = time_text(span.start)
    ethernet = ("eth0", server.mac, "IPv4", server.ip, "10.0.0.1", "255.0.0.0", seen)
    loopback = ("Loopback Pseudo-Interface, 1", "", "IPv6", "::1", "", "", seen)
    return [(fleet.account, server.agent_id, *ethernet), (fleet.account, server.agent_id, *loopback)]


def results(fleet: Fleet, contents: Contents, sizes: Mapping[str, int]) -> dict[str, object]:
    """The agent export's ``results.json``; ``sizes`` are the bytes of the CSV files beside it.

    The keys are those that a public parser reads. With no result there is no actual range, as that parser expects.
    """
    covered = contents.covered()
    actual = {"ActualStartTime": time_text(covered.start), "ActualEndTime": time_text(covered.end)} if sizes else {}
    return {
        "CustomerAccount": fleet.account,
        "RequestedFilters": [{"Name": "agentIds", "Values": [contents.agent_id], "Condition": "EQUALS"}],
        "RequestedStartTime": time_text(contents.span.start),
        "RequestedEndTime": time_text(contents.span.end),
        "ResultFilesGenerated": len(sizes),
        "TotalSizeOfResultFiles": sum(sizes.values()),
        "ExportStartedAt": time_text(contents.span.end),
        "ExportStatus": "SUCCEEDED",
        "ExportSummary": {"isTruncated": contents.is_truncated, **actual},
        "StatusMessage": "",
    }
