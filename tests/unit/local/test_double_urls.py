"""Download URLs of the double: signed for its own host, proxied unchanged, and counted."""

import io
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.double.downloads import BUCKET
from local.double.scenario import LARGE_BYTES, LARGE_ROWS
from tests.unit.doubles import Running


def names_in(body: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(body)).namelist()


def counts_of(running: Running, export_id: str) -> dict[str, int]:
    return dict(running.double.counts()["exports"][export_id])


def test_a_download_url_returns_the_export(running: Running) -> None:
    answer = running.open(running.download_url(running.start()))

    assert answer.status == 200
    assert "123456789012_Server.csv" in names_in(answer.data)


@pytest.mark.parametrize("kind", ["summary", "agent", "ec2-recommendations"])
def test_each_kind_has_its_number_of_files(running: Running, kind: str) -> None:
    (export_id,) = running.double.add({"kind": kind})

    names = names_in(running.open(running.download_url(export_id)).data)

    assert {"summary": 8, "agent": 7, "ec2-recommendations": 1}[kind] == len(names)


@pytest.mark.parametrize(
    ("container", "start"),
    [("zip", b"PK\x03\x04"), ("nested", b"PK\x03\x04"), ("csv", b"account"), ("gzip", b"\x1f\x8b")],
)
def test_containers_are_those_of_the_scenario(running: Running, container: str, start: bytes) -> None:
    running.double.set_scenarios({"container": container})

    assert running.open(running.download_url(running.start())).data.startswith(start)


def test_headers_are_forwarded_unchanged(running: Running) -> None:
    url = running.download_url(running.start())

    running.open(url, Range="bytes=2-5", If_Match="*", Accept_Encoding="identity", X_Custom="kept")

    (seen,) = running.s3.seen
    assert seen["host"] == running.server.origin.removeprefix("https://")
    assert (seen["range"], seen["if-match"], seen["x-custom"]) == ("bytes=2-5", "*", "kept")


def test_ranges_and_conditions_are_handled_by_s3(running: Running) -> None:
    url = running.download_url(running.start())
    whole = running.open(url)

    part = running.open(url, Range="bytes=2-5", If_Match=whole.headers["ETag"])
    mismatch = running.open(url, If_Match='"another"')

    assert (part.status, part.data) == (206, whole.data[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(whole.data)}"
    assert mismatch.status == 412


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("unmarked.zip", "other.zip"),
        lambda url: url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        lambda url: url.partition("?")[0],
    ],
    ids=["signature", "parameter", "lifetime", "no query"],
)
def test_a_changed_url_is_denied(running: Running, change: Any) -> None:
    url = running.download_url(running.start())

    assert change(url) != url
    assert running.open(change(url)).status == 403


def test_head_is_denied(running: Running) -> None:
    export_id = running.start()

    answer = running.open(running.download_url(export_id), "HEAD")

    assert (answer.status, answer.data) == (403, b"")
    assert counts_of(running, export_id)["heads"] == 1


def test_signatures_of_urls_are_listed(running: Running) -> None:
    export_id = running.start()

    urls = [running.download_url(export_id) for _ in range(2)]

    assert {url.partition("X-Amz-Signature=")[2] for url in urls} == running.double.signatures()


def test_downloads_return_503_at_the_busy_rate(running: Running) -> None:
    url = running.download_url(running.start())
    running.double.settings(busy_rate=0.3)

    statuses = [running.open(url).status for _ in range(60)]

    assert set(statuses) == {200, 503}
    assert 9 <= statuses.count(503) <= 27
    assert running.double.counts()["errors"] == {"SlowDown": statuses.count(503)}


def test_gets_and_describes_are_counted_by_export(running: Running) -> None:
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


def test_counts_are_reset(running: Running) -> None:
    running.open(running.download_url(running.start()))

    running.double.reset_counts()

    assert running.double.counts() == {"calls": {}, "errors": {}, "exports": {}}


def test_first_gets_are_denied(running: Running) -> None:
    running.double.set_scenarios({"refused_gets": 2})
    export_id = running.start()

    statuses = [running.open(running.download_url(export_id)).status for _ in range(3)]

    assert statuses == [403, 403, 200]
    assert counts_of(running, export_id)["gets"] == 3


def test_the_marker_is_in_the_path_and_in_a_signed_parameter_of_every_url(running: Running) -> None:
    export_id = running.start()
    before = running.download_url(export_id)

    running.double.settings(marker="s3cr3t-marker")
    after = running.download_url(export_id)

    assert "s3cr3t-marker" not in before
    path, _, query = after.partition("?")
    assert "/s3cr3t-marker/" in path
    assert "s3cr3t-marker" in query
    assert running.open(after).status == running.open(before).status == 200


def test_an_export_is_generated_at_its_first_download(running: Running) -> None:
    ids = running.double.add_many(1000)
    urls = [running.download_url(export_id) for export_id in ids[:3]]

    assert not [path for path in running.s3.objects if path.count("/") > 1]
    assert [running.open(url).status for url in urls] == [200] * 3
    assert len([path for path in running.s3.objects if path.count("/") > 1]) == 3


def test_a_large_export_is_in_progress_until_it_is_generated(running: Running) -> None:
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


def test_a_large_export_that_cannot_be_uploaded_has_failed(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_an_export_that_cannot_be_uploaded_returns_503(running: Running) -> None:
    running.s3.refusing = True
    url = running.download_url(running.start())

    refused = running.open(url).status
    running.s3.refusing = False

    assert (refused, running.open(url).status) == (503, 200)


def test_an_unknown_path_is_not_found(running: Running) -> None:
    for path in ("/", "/favicon.ico", f"/{BUCKET}", f"/{BUCKET}/unmarked/export-1/export.zip", "/other/m/e/export.zip"):
        assert running.open(running.server.url + path).status == 404, path


def test_120_downloads_at_the_same_time_succeed(running: Running) -> None:
    urls = [running.download_url(export_id) for export_id in running.double.add_many(10)] * 12

    with ThreadPoolExecutor(120) as pool:
        statuses = Counter(pool.map(lambda url: running.open(url).status, urls))

    assert statuses == {200: 120}


def test_ids_with_special_characters_in_the_path_are_found(running: Running) -> None:
    (export_id,) = running.double.add({"id": "export/a%2Fb+c"})

    assert running.open(running.download_url(export_id)).status == 200
    assert counts_of(running, export_id)["gets"] == 1
