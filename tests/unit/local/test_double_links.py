"""The double's links: signed for its own host, opened through it with nothing changed, and counted."""

import io
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.double.export_bucket import BUCKET
from local.double.scenario import LARGE_BYTES, LARGE_ROWS
from tests.unit.doubles import Running


def names_in(body: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(body)).namelist()


def counts_of(running: Running, export_id: str) -> dict[str, int]:
    return dict(running.double.counts()["exports"][export_id])


def test_a_link_opens_the_export(running: Running) -> None:
    answer = running.open(running.download_url(running.start()))

    assert answer.status == 200
    assert "123456789012_Server.csv" in names_in(answer.data)


@pytest.mark.parametrize("kind", ["summary", "agent", "ec2-recommendations"])
def test_each_kind_holds_its_own(running: Running, kind: str) -> None:
    (export_id,) = running.double.add({"kind": kind})

    names = names_in(running.open(running.download_url(export_id)).data)

    assert {"summary": 8, "agent": 7, "ec2-recommendations": 1}[kind] == len(names)


@pytest.mark.parametrize(
    ("container", "start"),
    [("zip", b"PK\x03\x04"), ("nested", b"PK\x03\x04"), ("csv", b"account"), ("gzip", b"\x1f\x8b")],
)
def test_containers_are_as_scripted(running: Running, container: str, start: bytes) -> None:
    running.double.set_scenarios({"container": container})

    assert running.open(running.download_url(running.start())).data.startswith(start)


def test_headers_go_on_unchanged(running: Running) -> None:
    link = running.download_url(running.start())

    running.open(link, Range="bytes=2-5", If_Match="*", Accept_Encoding="identity", X_Custom="kept")

    (seen,) = running.s3.seen
    assert seen["host"] == running.server.url.removeprefix("https://")
    assert (seen["range"], seen["if-match"], seen["x-custom"]) == ("bytes=2-5", "*", "kept")


def test_a_range_and_a_condition_are_answered_by_s3(running: Running) -> None:
    link = running.download_url(running.start())
    whole = running.open(link)

    part = running.open(link, Range="bytes=2-5", If_Match=whole.headers["ETag"])
    replace_from_json = running.open(link, If_Match='"another"')

    assert (part.status, part.data) == (206, whole.data[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.data)}"
    assert replace_from_json.status == 412


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link[:-1] + ("0" if link[-1] != "0" else "1"),
        lambda link: link.replace("unmarked.zip", "other.zip"),
        lambda link: link.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        lambda link: link.partition("?")[0],
    ],
    ids=["signature", "parameter", "lifetime", "no query"],
)
def test_a_changed_link_is_refused(running: Running, change: Any) -> None:
    link = running.download_url(running.start())

    assert change(link) != link
    assert running.open(change(link)).status == 403


def test_a_link_is_for_get_only(running: Running) -> None:
    export_id = running.start()

    answer = running.open(running.download_url(export_id), "HEAD")

    assert (answer.status, answer.data) == (403, b"")
    assert counts_of(running, export_id)["heads"] == 1


def test_signatures_of_links_are_kept(running: Running) -> None:
    export_id = running.start()

    links = [running.download_url(export_id) for _ in range(2)]

    assert {link.partition("X-Amz-Signature=")[2] for link in links} == running.double.signatures()


def test_downloads_are_busy_at_their_rate(running: Running) -> None:
    link = running.download_url(running.start())
    running.double.settings(busy_rate=0.3)

    statuses = [running.open(link).status for _ in range(60)]

    assert set(statuses) == {200, 503}
    assert 9 <= statuses.count(503) <= 27
    assert running.double.counts()["errors"] == {"SlowDown": statuses.count(503)}


def test_downloads_and_describes_are_counted_by_export(running: Running) -> None:
    export_id, other = running.start(), running.start()
    whole = running.open(running.download_url(export_id)).data
    running.open(running.download_url(export_id), Range="bytes=0-9")

    assert counts_of(running, export_id) == {
        "starts": 1,
        "describes": 2,
        "heads": 0,
        "gets": 2,
        "bytes": len(whole) + 10,
    }
    assert counts_of(running, other) == {"starts": 1, "describes": 0, "heads": 0, "gets": 0, "bytes": 0}
    assert running.double.counts()["calls"] == {"StartExportTask": 2, "DescribeExportTasks": 2}
    assert (running.double.gets(), running.double.gets([other])) == (2, 0)


def test_counts_begin_anew_when_reset(running: Running) -> None:
    running.open(running.download_url(running.start()))

    running.double.reset_counts()

    assert running.double.counts() == {"calls": {}, "errors": {}, "exports": {}}


def test_first_gets_are_refused_as_if_the_signer_had_gone(running: Running) -> None:
    running.double.set_scenarios({"refused_gets": 2})
    export_id = running.start()

    statuses = [running.open(running.download_url(export_id)).status for _ in range(3)]

    assert statuses == [403, 403, 200]
    assert counts_of(running, export_id)["gets"] == 3


def test_the_marker_stands_in_the_path_and_in_a_signed_parameter_of_every_link(running: Running) -> None:
    export_id = running.start()
    before = running.download_url(export_id)

    running.double.settings(marker="n0-one-may-see-me")
    after = running.download_url(export_id)

    assert "n0-one-may-see-me" not in before
    path, _, query = after.partition("?")
    assert "/n0-one-may-see-me/" in path
    assert "n0-one-may-see-me" in query
    assert running.open(after).status == running.open(before).status == 200


def test_an_export_is_made_at_its_first_download(running: Running) -> None:
    ids = running.double.add_many(1000)
    links = [running.download_url(export_id) for export_id in ids[:3]]

    assert not [path for path in running.s3.objects if path.count("/") > 1]
    assert [running.open(link).status for link in links] == [200] * 3
    assert len([path for path in running.s3.objects if path.count("/") > 1]) == 3


def test_a_large_export_is_in_progress_until_it_is_made(running: Running) -> None:
    running.s3.accepting.clear()
    running.double.set_scenarios({"min_bytes": LARGE_BYTES, "compression": "stored"})
    export_id = running.start()

    before = running.status(export_id)
    running.s3.accepting.set()
    task = running.server.service.tasks.get(export_id)

    assert before == "IN_PROGRESS"
    assert task
    assert task.made.wait(60)
    assert running.status(export_id) == "SUCCEEDED"
    assert [len(body) > LARGE_BYTES for path, body in running.s3.objects.items() if export_id in path] == [True]


def test_a_large_export_that_cannot_be_put_has_failed(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.s3.refusing = True
    running.double.set_scenarios({"rows": LARGE_ROWS, "container": "none"})
    export_id = running.start()
    task = running.server.service.tasks.get(export_id)

    assert task
    assert task.made.wait(60)
    (info,) = running.describe(export_id)

    assert info["exportStatus"] == "FAILED"
    assert info["statusMessage"].startswith("The double could not make the export: ")
    assert "Traceback" in capsys.readouterr().err


def test_an_export_that_cannot_be_put_is_unavailable(running: Running) -> None:
    running.s3.refusing = True
    link = running.download_url(running.start())

    refused = running.open(link).status
    running.s3.refusing = False

    assert (refused, running.open(link).status) == (503, 200)


def test_a_path_of_no_export_is_not_found(running: Running) -> None:
    for path in ("/", "/favicon.ico", f"/{BUCKET}", f"/{BUCKET}/unmarked/export-1/export.zip", "/other/m/e/export.zip"):
        assert running.open(running.server.url + path).status == 404, path


def test_a_hundred_connections_are_served_at_once(running: Running) -> None:
    links = [running.download_url(export_id) for export_id in running.double.add_many(10)] * 12

    with ThreadPoolExecutor(120) as pool:
        statuses = Counter(pool.map(lambda link: running.open(link).status, links))

    assert statuses == {200: 120}


def test_ids_that_are_odd_in_a_path_are_found(running: Running) -> None:
    (export_id,) = running.double.add({"id": "export/a%2Fb+c"})

    assert running.open(running.download_url(export_id)).status == 200
    assert counts_of(running, export_id)["gets"] == 1
