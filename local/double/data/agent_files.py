"""The files of an agent export: six CSV files and results.json."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from .contents import Contents, CsvFile, Kind, Row, csv_file
from .data_center import DataCenter, Server
from .samples import History, Sample, Span, time_text


def agent_files(data_center: DataCenter, server: Server, contents: Contents) -> list[CsvFile]:
    width = contents.connection_columns
    file = partial(csv_file, data_center, contents)

    def inventory(rows: Callable[[str], Iterable[Row]]) -> Callable[[], Iterator[Row]]:
        return lambda: (row for seen_at in contents.inventory_times() for row in rows(seen_at))

    def connections(name: str, rows: Callable[[Server, Iterable[Sample]], Iterable[Row]]) -> CsvFile:
        full = file(name, lambda: (row[:width] for row in rows(server, contents.samples())))
        return replace(full, header=full.header[:width])

    return [
        file("osInfo.csv", inventory(lambda seen_at: [_os_info(data_center, server, seen_at)])),
        file("networkInterface.csv", inventory(lambda seen_at: _interfaces(data_center, server, seen_at))),
        file("process.csv", inventory(lambda seen_at: data_center.processes(server, seen_at, contents.padding))),
        file("systemPerformance.csv", lambda: data_center.performance(server, contents.samples())),
        connections("sourceProcessConnection.csv", data_center.outgoing),
        connections("destinationProcessConnection.csv", data_center.incoming),
    ]


def _os_info(data_center: DataCenter, server: Server, seen_at: str) -> Row:
    return (
        data_center.account,
        server.agent_id,
        server.os_name,
        server.os_version,
        server.cpu_type,
        server.host_name,
        server.hypervisor,
        seen_at,
    )


def _interfaces(data_center: DataCenter, server: Server, seen_at: str) -> list[Row]:
    ethernet = ("eth0", server.mac, "IPv4", server.ip, "10.0.0.1", "255.0.0.0", seen_at)
    loopback = ("Loopback Pseudo-Interface, 1", "", "IPv6", "::1", "", "", seen_at)
    return [(data_center.account, server.agent_id, *ethernet), (data_center.account, server.agent_id, *loopback)]


def true_rows(data_center: DataCenter, server: Server, history: History, span: Span) -> dict[str, list[list[str]]]:
    """All rows of the agent in the range, first and last second included, by file: ``osInfo.csv``, and so on.

    Exports of windows that together cover the range have these rows, and the rows of a second that two windows share
    twice.
    """
    whole = replace(history, max_samples=None, max_window=None)
    contents = Contents(Kind.AGENT, server.agent_id, span=span, history=whole)
    return {
        file.name.partition("_")[2]: [[str(cell) for cell in row] for row in file.rows()]
        for file in agent_files(data_center, server, contents)
    }


def results(data_center: DataCenter, contents: Contents, sizes: Mapping[str, int]) -> dict[str, object]:
    """The agent export's ``results.json``; ``sizes`` has the bytes of each CSV file of the export.

    The keys are those that a public parser reads. Without a result there is no actual range, as that parser expects.
    """
    covered = contents.covered() if sizes else None
    actual = {"ActualStartTime": covered[0], "ActualEndTime": covered[1]} if covered else {}
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
