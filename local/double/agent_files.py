"""The files of an agent export: six tables and a results.json."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from local.double.contents import Contents, CsvFile, Row, csv_file
from local.fleet import Fleet, Server, Span, time_text


def agent_files(fleet: Fleet, server: Server, contents: Contents) -> list[CsvFile]:
    span = contents.covered()
    count = contents.rows
    width = contents.connection_columns
    file = partial(csv_file, fleet, contents)

    def connections(name: str, rows: Callable[[Server, Span, int], Iterable[Row]]) -> CsvFile:
        whole = file(name, lambda: (row[:width] for row in rows(server, span, count)))
        return replace(whole, header=whole.header[:width])

    return [
        file("osInfo.csv", lambda: [_os_info(fleet, server, span)]),
        file("networkInterface.csv", lambda: _interfaces(fleet, server, span)),
        file("process.csv", lambda: fleet.processes(server, span, contents.padding)),
        file("systemPerformance.csv", lambda: fleet.performance(server, span, count)),
        connections("sourceProcessConnection.csv", fleet.outgoing),
        connections("destinationProcessConnection.csv", fleet.incoming),
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
