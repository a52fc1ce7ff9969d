"""``handoff`` with rows that are odd, and with files that are in the way."""

import csv
import io
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from discovery_exports.cli.output import Output
from tests.unit.builders import SESSION
from tests.unit.cli.handoff.results import EXPORT_COLUMNS, SUMMARY, FakeAthena, pair, server
from tests.unit.cli.stack import BUCKET, Answer, FakeStack, client_error, run


@pytest.fixture
def athena(stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeAthena:
    monkeypatch.chdir(tmp_path)
    return FakeAthena(stack)


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def member(name: str, path: str = "transform.zip") -> list[dict[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return rows_of(archive.read(name))


def report(path: str) -> Any:
    return json.loads(Path(f"{path}.report.json").read_text("ascii"))


def done(*words: str) -> Answer:
    answer = run("handoff", *words)
    assert answer.code == 0, answer.err
    return answer


class TestCells:
    @pytest.mark.parametrize("variant", ["mpa", "discovery-tool"])
    def test_contents_14_what_was_not_measured_is_empty_and_not_0(self, athena: FakeAthena, variant: str) -> None:
        athena.servers(server("d-1"))

        done("transform", "--variant", variant)

        (row,) = member("mpa_servers.csv")
        assert [cell for cell in row.values() if cell] == ["d-1"]
        assert (report("transform.zip")["form"], report("transform.zip")["variant"]) == ("transform", variant)
        empty = report("transform.zip")["emptyCells"]["mpa_servers.csv"]
        assert len(empty) == len(row) - 1
        assert set(empty.values()) == {1}

    def test_a_measured_0_is_0(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1", cpu_max=0, cpu_avg="0.0"))

        done("transform")

        (row,) = member("mpa_servers.csv")
        assert (row["CPU-Peak Utilization"], row["CPU-Average Utilization"]) == ("0", "0")

    @pytest.mark.parametrize("value", ["100.01", "-0.1", "1e300", "Infinity", "NaN"])
    def test_a_percentage_out_of_range_is_left_empty_and_reported(self, athena: FakeAthena, value: str) -> None:
        athena.servers(server("d-1", cpu_max=value, cpu_avg="99.999", disk_used=100))

        answer = done("transform")

        (row,) = member("mpa_servers.csv")
        assert row["CPU-Peak Utilization"] == ""
        assert (row["CPU-Average Utilization"], row["Storage-Utilization"]) == ("100", "100")
        assert report("transform.zip")["outOfRange"] == {"mpa_servers.csv": {"CPU-Peak Utilization": 1}}
        assert (
            "Left empty in mpa_servers.csv, because the value is out of range: CPU-Peak Utilization (1)" in answer.err
        )

    @pytest.mark.parametrize(
        "name", ['"', "a,b", "a\r\nb", "=1+1", "\x00\x1b[31m", "\ufeffx", "サーバ", "x" * 200_000, "a\u2028b", " a "]
    )
    def test_contents_14_hostile_names_survive(self, athena: FakeAthena, name: str) -> None:
        athena.servers(server("d-1", hostname=name), server("d-2", hostname=name))

        answer = done("transform")

        assert [row["Hostname"] for row in member("mpa_servers.csv")] == [name, name]
        assert "\x1b" not in answer.err + answer.out

    def test_the_graph_for_people_guards_formulas(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1"), server("d-2"))
        athena.connections(pair("d-1", "d-2", source_host="=1+1", target_host="a\tb"))

        answer = done("graph")

        (row,) = rows_of(Path("graph.csv").read_bytes())
        assert (row["Source Name"], row["Target Name"]) == ("'=1+1", "a\\tb")
        assert "Cells that begin like a formula of a spreadsheet: 1. An apostrophe is before each." in answer.err

    def test_a_full_disk_is_in_range_although_its_percentage_is_not_exactly_100(self, athena: FakeAthena) -> None:
        used = 1e2 * 5.27 / 5.27
        athena.servers(server("d-1", disk_used=used, ram_avg="-0.0"))

        done("transform")

        (row,) = member("mpa_servers.csv")
        assert used > 100
        assert (row["Storage-Utilization"], row["RAM-Average Utilization"]) == ("100", "0")

    @pytest.mark.parametrize("server_id", ["=1+1", "d-\u200b1"])
    def test_the_graph_for_people_guards_ids(self, athena: FakeAthena, server_id: str) -> None:
        athena.servers(server(server_id), server("d-2"))
        athena.connections(pair(server_id, "d-2"))

        done("graph")

        (row,) = rows_of(Path("graph.csv").read_bytes())
        assert row["Source Server ID"] in {"'=1+1", "d-\\u200b1"}

    def test_an_address_that_is_none_is_left_empty(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1"), server("d-2"))
        athena.connections(pair("d-1", "d-2", source_address="unknown", target_address="fd00::1"))

        done("transform")

        (row,) = member("network_connections.csv")
        assert (row["Source Server IP Address"], row["Target Server IP Address"]) == ("", "fd00::1")

    def test_the_discovery_tool_variant_has_one_protocol_or_none(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1"), server("d-2"))
        several = pair("d-2", "d-1", protocol="TCP/UDP", ip_version="IPv4/IPv6")
        athena.connections(pair("d-1", "d-2", ip_version="IPv6"), several)

        done("transform", "--variant", "discovery-tool")

        rows = member("network_connections.csv")
        assert [(row["Transport Protocol"], row["IP Version"]) for row in rows] == [("TCP", "IPv6"), ("", "")]

    def test_the_report_has_an_address_in_its_short_form(self, athena: FakeAthena) -> None:
        left_out = {"left_out": "unknown address", "seen_rows": 2, "all_rows": 3, "all_addresses": 2}
        rows = [{**left_out, "address": "fd00:0:0:0:0:0:0:1"}, {**left_out, "address": "none", "seen_rows": 1}]
        athena.connections(*rows)

        done("transform")

        most = report("transform.zip")["connections"]["leftOut"]["unknown address"]["most"]
        assert most == [{"address": "fd00::1", "rows": 2}, {"address": "none", "rows": 1}]

    @pytest.mark.parametrize(
        ("names", "platform"),
        [
            ({"osname": "WindowsOS - Microsoft Windows Server 2012"}, "Windows"),
            ({"osname": "Red Hat Enterprise Linux 7 (64-bit)"}, "Linux"),
            ({"osname": "CentOS 4/5"}, "Linux"),
            ({"osversion": "Ubuntu 22.04"}, "Linux"),
            ({"osname": "FreeBSD (64-bit)"}, ""),
            ({}, ""),
        ],
    )
    def test_platforms_of_mgn(self, athena: FakeAthena, names: dict[str, str], platform: str) -> None:
        athena.servers(server("d-1", address="10.0.0.1", **names))

        done("mgn")

        (row,) = rows_of(Path("mgn.csv").read_bytes())
        assert row["mgn:server:platform"] == platform

    @pytest.mark.parametrize(
        ("tenancy", "expected"),
        [("Shared", "default"), ("Dedicated Host", "host"), ("Dedicated", "dedicated"), ("", "")],
    )
    def test_tenancies_of_mgn(self, athena: FakeAthena, tenancy: str, expected: str) -> None:
        athena.servers(server("d-1", address="10.0.0.1", instance_type="m5.large", tenancy=tenancy))

        done("mgn")

        (row,) = rows_of(Path("mgn.csv").read_bytes())
        assert row["mgn:launch:placement:tenancy"] == expected

    @pytest.mark.parametrize("name", ["", "a b", "=1", "büro", "-a", "a..b", "x" * 64])
    def test_a_server_without_an_address_or_a_name_is_left_out_of_mgn(self, athena: FakeAthena, name: str) -> None:
        athena.servers(server("d-1", hostname=name), server("d-2", hostname="web-1.example.com"))

        answer = done("mgn", "-o", "json")

        (row,) = rows_of(Path("mgn.csv").read_bytes())
        assert row["mgn:server:user-provided-id"] == "d-2"
        reason = "neither an IPv4 address of its own nor a host name that DNS allows"
        assert report("mgn.csv")["servers"]["leftOut"] == {reason: 1}
        assert answer.json == [
            {"what": "servers", "count": 1},
            {"what": "servers left out", "count": 1, "reason": reason},
        ]


class TestFiles:
    def test_contents_14_nothing_is_left_if_a_file_has_not_its_form(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1"), server("d-1"))

        answer = run("handoff", "transform")

        assert (answer.code, "were not written: mpa_servers.csv, row 2" in answer.err) == (255, True), answer.err
        assert list(Path().iterdir()) == []

    @pytest.mark.parametrize(
        ("words", "name"),
        [
            ("mgn --to m.csv", "m.csv"),
            ("graph --to g.csv", "g.csv"),
            ("graph --to s3://bucket/a/g.csv", "g.csv"),
            ("transform --to t.zip", "network_connections.csv"),
        ],
    )
    def test_notes_name_the_file_that_was_written_or_the_one_in_the_zip(
        self, athena: FakeAthena, words: str, name: str
    ) -> None:
        athena.servers(server("d-1", hostname="a"), server("d-2", hostname="b"))
        athena.connections(pair("d-1", "d-2"))

        answer = done(*words.split())

        assert f"\nEmpty cells in {name} of " in answer.err
        assert "mgn.csv" not in answer.err
        assert "graph.csv" not in answer.err

    def test_an_interrupt_leaves_nothing(self, athena: FakeAthena) -> None:
        athena.interrupted = "connections"

        answer = run("handoff", "transform")

        assert (answer.code, "Interrupted." in answer.err) == (130, True)
        assert list(Path().iterdir()) == []

    @pytest.mark.parametrize("there", ["transform.zip", "transform.zip.report.json"])
    def test_a_file_or_report_that_is_there_is_kept_and_no_query_runs(self, athena: FakeAthena, there: str) -> None:
        Path(there).write_text("mine")

        answer = run("handoff", "transform")

        assert (answer.code, f"{there} exists." in answer.err) == (2, True)
        assert Path(there).read_text() == "mine"
        assert athena.statements == []

    @pytest.mark.parametrize(
        ("to", "message"),
        [
            (".", "is a folder"),
            ("there.zip", "there.zip is a folder"),
            ("there.zip/", "there.zip/ is a folder"),
            ("none.zip/", "none.zip/ is a folder"),
            ("none/a.zip", "There is no folder none"),
            ("s3://b", "is not the name of an object"),
            ("s3://bucket/", "is not the name of an object"),
            ("s3://bucket/folder/", "is not the name of an object"),
            ("-", "- is neither a file nor s3://bucket/key. Correct --to."),
            ("", "An empty name is neither a file nor s3://bucket/key. Correct --to."),
            ("https://bucket/key", "is neither a file nor s3://bucket/key."),
            ("file://a.zip", "is neither a file nor s3://bucket/key."),
        ],
    )
    def test_places_that_are_none(self, athena: FakeAthena, to: str, message: str) -> None:
        Path("there.zip").mkdir()

        answer = run("handoff", "transform", "--to", to)

        assert (answer.code, message in answer.err) == (2, True), answer.err
        assert athena.statements == []

    @pytest.mark.parametrize(
        ("words", "endings"),
        [
            ("transform --to x.csv", ".zip"),
            ("transform --to x", ".zip"),
            ("transform --to s3://bucket/x.csv", ".zip"),
            ("mgn --to x.zip", ".csv"),
            ("graph --to x.dot", ".csv"),
            ("graph --format dot --to x.csv", ".dot or .gv"),
            ("graph --format mermaid --to x.svg", ".mmd or .mermaid"),
        ],
    )
    def test_the_name_of_a_file_ends_as_its_kind_does(self, athena: FakeAthena, words: str, endings: str) -> None:
        answer = run("handoff", *words.split())

        assert (answer.code, athena.statements) == (2, [])
        assert answer.err == (
            f"discovery-exports: {words.split()[-1]} does not end with {endings}, as this kind of file does. "
            "Correct --to.\n"
        )

    @pytest.mark.parametrize(
        "words", ["transform --to X.ZIP", "graph --format dot --to x.gv", "graph --format mermaid --to x.mermaid"]
    )
    def test_other_spellings_of_the_ending_are_accepted(self, athena: FakeAthena, words: str) -> None:
        done(*words.split())

        assert Path(words.split()[-1]).exists()

    def test_a_bucket_that_does_not_exist_is_named_before_any_query(self, athena: FakeAthena) -> None:
        answer = run("handoff", "transform", "--to", "s3://no-such-bucket/a.zip")

        assert (answer.code, "There is no bucket no-such-bucket. Correct --to." in answer.err) == (2, True), answer.err
        assert athena.statements == []

    def test_permission_to_write_the_object_is_enough(self, athena: FakeAthena, stack: FakeStack) -> None:
        def deny(params: dict[str, str], **_: object) -> None:
            if params.get("Key", "handoff/").startswith("handoff/"):
                raise client_error("403", "Forbidden")

        stack.s3 = SESSION.client("s3")
        for operation in ("HeadBucket", "HeadObject"):
            stack.s3.meta.events.register(f"before-parameter-build.s3.{operation}", deny)

        done("transform", "--to", f"s3://{BUCKET}/handoff/a.zip")

        assert stack.s3.get_object(Bucket=BUCKET, Key="handoff/a.zip")["ContentType"] == "application/zip"

    def test_a_file_that_cannot_be_written_is_found_before_any_query(self, athena: FakeAthena) -> None:
        """As root may write to every folder, its name is too long, with that of the report."""
        answer = run("handoff", "transform", "--to", f"{'x' * 245}.zip")

        assert (answer.code, athena.statements) == (253, [])
        assert "cannot be written: File name too long. Choose another place with --to." in answer.err

    def test_what_a_killed_hand_off_of_the_file_left_is_removed(self, athena: FakeAthena) -> None:
        for left in (".handoff-a.zip-12345678", ".handoff-b.zip-12345678", ".handoff-[a].zip-12345678"):
            Path(left).mkdir()
            (Path(left) / "mpa_servers.csv").write_text("half")

        done("transform", "--to", "a.zip")
        done("transform", "--to", "[a].zip")

        names = {".handoff-b.zip-12345678", "a.zip", "a.zip.report.json", "[a].zip", "[a].zip.report.json"}
        assert {each.name for each in Path().iterdir()} == names

    def test_two_hand_offs_of_one_file_never_mix(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1"))
        athena.during["connections"] = lambda: done("transform", "--to", "a.zip", "--variant", "discovery-tool")

        first = run("handoff", "transform", "--to", "a.zip")

        assert (first.code, "a.zip.report.json exists." in first.err) == (2, True), first.err
        assert report("a.zip")["variant"] == "discovery-tool"
        assert {each.name for each in Path().iterdir()} == {"a.zip", "a.zip.report.json"}

    def test_a_hand_off_that_is_overtaken_by_another_of_its_file_finishes(self, athena: FakeAthena) -> None:
        athena.servers(server("d-1"))
        words = ("transform", "--to", "a.zip", "--overwrite")
        athena.during["connections"] = lambda: done(*words, "--variant", "discovery-tool")

        done(*words)

        assert report("a.zip")["variant"] == "mpa"
        assert {each.name for each in Path().iterdir()} == {"a.zip", "a.zip.report.json"}

    @pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
    def test_files_have_the_permissions_of_the_umask(self, athena: FakeAthena, mask: int, mode: int) -> None:
        before = os.umask(mask)
        try:
            done("transform")
        finally:
            os.umask(before)

        assert {stat.S_IMODE(each.stat().st_mode) for each in Path().iterdir()} == {mode}

    def test_an_object_is_written_once(self, athena: FakeAthena, stack: FakeStack) -> None:
        words = ("mgn", "--to", f"s3://{BUCKET}/handoff/mgn.csv")
        athena.servers(server("d-1", address="10.0.0.1"))

        done(*words)
        again = run("handoff", *words)

        assert (again.code, "exists. Name another" in again.err) == (2, True), again.err
        done(*words, "--overwrite")
        found = stack.s3.get_object(Bucket=BUCKET, Key="handoff/mgn.csv")
        assert (found["ContentType"], len(rows_of(found["Body"].read()))) == ("text/csv; charset=utf-8", 1)
        assert list(Path().iterdir()) == []

    @pytest.mark.parametrize("there", ["mgn.csv", "mgn.csv.report.json"])
    def test_no_report_comes_beside_an_object_that_is_there(
        self, athena: FakeAthena, stack: FakeStack, there: str
    ) -> None:
        stack.puts(f"handoff/{there}", b"mine")

        answer = run("handoff", "mgn", "--to", f"s3://{BUCKET}/handoff/mgn.csv")

        assert (answer.code, f"{there} exists." in answer.err) == (2, True), answer.err
        found = stack.s3.list_objects_v2(Bucket=BUCKET, Prefix="handoff/")["Contents"]
        assert [each["Key"] for each in found] == [f"handoff/{there}"]
        assert athena.statements == []

    def test_a_reader_of_the_counts_that_ends_is_no_error_of_the_file(
        self, athena: FakeAthena, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def ended(*_: object) -> None:
            raise BrokenPipeError

        monkeypatch.setattr(Output, "rows", ended)
        monkeypatch.setattr("discovery_exports.cli.commands._drop_output", lambda: None)

        answer = run("handoff", "transform")

        assert (answer.code, "cannot be written" in answer.err) == (0, False), answer.err
        assert "Written: transform.zip\n" in answer.err
        assert Path("transform.zip").exists()

    @pytest.mark.parametrize("to", [f"s3://{BUCKET}/x.zip", "none/x.zip"])
    def test_a_dry_run_needs_no_place(self, athena: FakeAthena, to: str) -> None:
        answer = done("transform", "--dry-run", "--to", to)

        assert "Nothing was written: --dry-run." in answer.err
        assert list(Path().iterdir()) == []


class TestExports:
    def test_the_age_of_the_data_is_said(self, athena: FakeAthena) -> None:
        truncated = {"kind": "agent", "exportid": "export-2", "istruncated": "true", "agentid": "o-1"}
        times = {"exportrequesttime": "2026-01-14 00:00:00", "data_until": "2025-12-01 00:00:00"}
        rows = [SUMMARY, {**truncated, **times}]
        athena.gives("exports", EXPORT_COLUMNS, rows)

        answer = done("transform")

        data = report("transform.zip")["data"]
        assert data["summary"]["requestedAt"] == "2026-01-14T00:00:00Z"
        assert data["recommendations"] is None
        assert (data["agents"]["exports"], data["agents"]["truncated"]) == (1, 1)
        assert data["agents"]["oldestUntil"] == data["agents"]["newestUntil"] == "2025-12-01T00:00:00Z"
        assert data["agents"]["oldestAgeDays"] == data["summary"]["ageDays"] + 44
        assert "no recommendations; exports of agents: 1, the oldest" in answer.err
        assert "days old, 1 truncated." in answer.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (
                "",
                "no summary that is not truncated, and so no servers. To export and store one: discovery-exports start",
            ),
            (
                "--as-of 2026-01-01",
                "no summary until 2026-01-01 23:59:59 UTC that is not truncated, and so no servers. ",
            ),
            ("--as-of 2026-01-01", "servers. Leave out --as-of, or name a later day."),
        ],
    )
    def test_without_a_summary_there_is_nothing_to_write(self, athena: FakeAthena, words: str, said: str) -> None:
        athena.gives("exports", EXPORT_COLUMNS, [])

        answer = run("handoff", "graph", *words.split())

        assert (answer.code, said in answer.err) == (1, True), answer.err

    def test_the_settings_are_in_every_query(self, athena: FakeAthena) -> None:
        words = (
            "--export",
            "export-1",
            "--environment-tag",
            "stage",
            "--data-center-tag",
            "dc",
            "--data-center-tag",
            "site",
        )

        done("transform", *words)

        assert len(athena.statements) == 3
        for sql in athena.statements:
            assert "AND exportid IN ('export-1')" in sql
            assert "('environment', 'stage', 0), ('data center', 'dc', 0), ('data center', 'site', 1)" in sql

    def test_tags_are_also_named_by_variables(self, athena: FakeAthena) -> None:
        answer = run("handoff", "mgn", env={"DISCOVERY_EXPORTS_WAVE_TAG": "batch group"})

        assert answer.code == 0, answer.err
        assert "('wave', 'batch', 0), ('wave', 'group', 1)" in athena.statements[1]

    @pytest.mark.parametrize("account", ["1", "12345678901x", "١٢٣٤٥٦٧٨٩٠١٢"])
    def test_an_account_has_12_digits(self, athena: FakeAthena, account: str) -> None:
        answer = run("handoff", "mgn", "--account", account)

        assert (answer.code, "Write its 12 digits" in answer.err, athena.statements) == (2, True, [])

    @pytest.mark.parametrize(
        ("option", "value", "said"),
        [
            ("--target-region", "nowhere", "'nowhere' is not a Region. Write it as eu-central-1."),
            ("--target-region", "eu-central-1a", "'eu-central-1a' is not a Region."),
            ("--server-tag", "", "--server-tag needs the key of a tag."),
            ("--export", "a b", "'a b' is not an export ID."),
            ("--as-of", "2100-01-01", "--as-of 2100-01-01 is in the future: it is "),
        ],
    )
    def test_values_that_are_none(self, athena: FakeAthena, option: str, value: str, said: str) -> None:
        answer = run("handoff", "mgn", option, value)

        assert (answer.code, said in answer.err, athena.statements) == (2, True, []), answer.err

    @pytest.mark.parametrize("region", ["eu-central-1", "us-gov-east-1", "us-iso-east-1", "mx-central-1"])
    def test_regions_of_every_partition_are_accepted(self, athena: FakeAthena, region: str) -> None:
        athena.servers(server("d-1", address="10.0.0.1"))

        done("mgn", "--target-region", region)

        (row,) = rows_of(Path("mgn.csv").read_bytes())
        assert row["mgn:region"] == region


def test_the_group_alone_prints_its_help(stack: FakeStack) -> None:
    answer = run("handoff")

    assert answer.code == 2
    assert all(f"\n  {name} " in answer.out for name in ("transform", "mgn", "graph"))
