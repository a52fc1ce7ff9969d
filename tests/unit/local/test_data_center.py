"""The generated data center is consistent and deterministic."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.double.data.data_center import DataCenter
from local.double.data.samples import LATEST, Span

DATA_CENTER = DataCenter(seed=7, size=12)
SPAN = Span()
AT = "2026-01-15 00:00:00"


def test_the_seed_determines_the_servers() -> None:
    assert list(DATA_CENTER.servers()) == list(DataCenter(seed=7, size=12).servers())
    assert list(DATA_CENTER.servers()) != list(DataCenter(seed=8, size=12).servers())


@given(st.integers(0, 10**9), st.integers(0, 2**40))
def test_a_server_is_found_by_its_agent_id(seed: int, index: int) -> None:
    data_center = DataCenter(seed=seed, size=2**40 + 1)

    assert data_center.server_of(data_center.server(index).agent_id) == data_center.server(index)


@pytest.mark.parametrize(
    "agent_id", ["", "o-", "o-0123456789abcdef0", "o--1", "büro", DataCenter(seed=8).server(1).agent_id]
)
def test_an_unknown_agent_id_has_no_server(agent_id: str) -> None:
    assert DATA_CENTER.server_of(agent_id) is None


def test_ids_are_distinct_and_have_the_format_of_the_service() -> None:
    servers = list(DataCenter(size=500).servers())

    assert len({server.id for server in servers}) == len({server.agent_id for server in servers}) == 500
    assert {len(server.id) for server in servers} == {len("d-server-06n2v3y4u8151b")}
    assert {len(server.agent_id) for server in servers} == {len("o-0123456789abcdef0")}


@pytest.mark.parametrize("size", [1, 2, 3, 12])
def test_every_connection_is_on_both_sides(size: int) -> None:
    data_center = DataCenter(size=size)
    flows = [
        {
            (row.source_ip, row.source_port, row.destination_ip, row.destination_port, row.created_at)
            for server in data_center.servers()
            for row in side(server, SPAN.samples(5))
        }
        for side in (data_center.outgoing, data_center.incoming)
    ]

    assert flows[0] == flows[1]
    assert len(flows[0]) == 5 * size * len({offset % size for offset in (1, 3, 7)} - {0})


def test_a_connection_belongs_to_a_process_of_the_server_that_saw_it() -> None:
    for server in DATA_CENTER.servers():
        processes = {row.process_id: row.path for row in DATA_CENTER.processes(server, AT)}

        for row in (*DATA_CENTER.outgoing(server, SPAN.samples(2)), *DATA_CENTER.incoming(server, SPAN.samples(2))):
            assert row.agent_id == server.agent_id
            assert processes[row.process_id] == row.command_path


def test_applications_count_their_servers() -> None:
    for application in DATA_CENTER.applications():
        members = [server for server in DATA_CENTER.servers() if server.application == application.index]

        assert application.server_count == len(members)


def test_names_contain_special_characters() -> None:
    texts = [server.host_name for server in DATA_CENTER.servers()] + [
        one.description for one in DATA_CENTER.applications()
    ]

    for oddity in ('"', ",", "\n", "ü", "=HYPERLINK", "☕"):
        assert any(oddity in text for text in texts), oddity
    assert "" in texts


def test_samples_are_within_the_span() -> None:
    span = Span(LATEST - timedelta(hours=1), LATEST)

    times = [row.sampled_at for row in DATA_CENTER.performance(DATA_CENTER.server(0), span.samples(1000))]

    assert times == sorted(times)
    assert times[0] == "2026-01-14 23:00:00"
    assert times[-1] < "2026-01-15 00:00:00"


def test_a_truncated_span_is_its_first_half() -> None:
    half = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)).first_half

    assert half == Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


def test_an_export_covers_at_most_72_hours_from_its_start() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert Span.asked_for(start, None).end == start + timedelta(hours=72)
    assert Span.asked_for(start, start + timedelta(days=9)).end == start + timedelta(hours=72)
    assert Span.asked_for(start, start + timedelta(hours=1)).end == start + timedelta(hours=1)
    assert Span.asked_for(None, start).start == start - timedelta(hours=72)
    assert Span.asked_for(None, None) == Span()
