"""The files of an agent export: six CSV files and results.json."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from local.double.data.contents import Contents, CsvFile, Row, csv_file
from local.double.data.data_center import DataCenter, Server, Span, time_text


def agent_files(data_center: DataCenter, server: Server, contents: Contents) -> list[CsvFile]:
    span = contents.covered()
    count = contents.rows
    width = contents.connection_columns
    file = partial(csv_file, data_center, contents)

    def connections(name: str, rows: Callable[[Server, Span, int], Iterable[Row]]) -> CsvFile:
        full = file(name, lambda: (row[:width] for row in rows(server, span, count)))
        return replace(full, header=full.header[:width])

    return [
        file("osInfo.csv", lambda: [_os_info(data_center, server, span)]),
        file("networkInterface.csv", lambda: _interfaces(data_center, server, span)),
        file("process.csv", lambda: data_center.processes(server, span, contents.padding)),
        file("systemPerformance.csv", lambda: data_center.performance(server, span, count)),
        connections("sourceProcessConnection.csv", data_center.outgoing),
        connections("destinationProcessConnection.csv", data_center.incoming),
    ]


def _os_info(data_center: DataCenter, server: Server, span: Span) -> Row:
    return (
        data_center.account,
        server.agent_id,
        server.os_name,
        server.os_version,
        server.cpu_type,
        server.host_name,
        server.hypervisor,
        time_text(span.start),
    )


def _interfaces(data_center: DataCenter, server: Server, span: Span) -> list[Row]:
    seen = time_text(span.start)
    ethernet = ("eth0", server.mac, "IPv4", server.ip, "10.0.0.1", "255.0.0.0", seen)
    loopback = ("Loopback Pseudo-Interface, 1", "", "IPv6", "::1", "", "", seen)
    return [(data_center.account, server.agent_id, *ethernet), (data_center.account, server.agent_id, *loopback)]


def results(data_center: DataCenter, contents: Contents, sizes: Mapping[str, int]) -> dict[str, object]:
    """The agent export's ``results.json``; ``sizes`` has the bytes of each CSV file of the export.

    The keys are those that a public parser reads. Without a result there is no actual range, as that parser expects.
    """
    covered = contents.covered()
    actual = {"ActualStartTime": time_text(covered.start), "ActualEndTime": time_text(covered.end)} if sizes else {}
    return {
        "CustomerAccount": data_center.account,
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
