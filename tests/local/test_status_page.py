"""The status page that a run leaves in the bucket, and the command that opens it."""

import json
import re
import stat
from pathlib import Path

from urllib3 import PoolManager

from exports.keys import STATUS_PAGE
from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from local.stack.servers import ROOT
from tests.local.commands import run_command
from tests.local.service import Service
from tests.local.stack import Stack

PROGRAM = ROOT / ".venv" / "bin" / "discovery-exports"


def test_a_run_leaves_a_page_that_shows_it(stack: Stack, service: Service) -> None:
    stored = service.has(kind="agent")
    failed = service.has(outcome="FAILED", status_message="<b>no agents</b>\u202e")

    stack.run(exportIds=[stored, failed], onFailure="report")

    found = stack.s3.get_object(Bucket=stack.bucket, Key=STATUS_PAGE)
    page = found["Body"].read().decode()
    assert (found["ContentType"], found["CacheControl"]) == ("text/html; charset=utf-8", "no-store")
    for export_id, status in ((stored, "STORED"), (failed, "FAILED")):
        assert re.search(rf">{export_id}</th><td[^>]*><span[^>]*>{status}<", page)
    assert "&lt;b&gt;no agents&lt;/b&gt;" in page
    assert "\u202e" not in page
    for fact in ("DiscoveryExports", ACCOUNT, REGION):
        assert f"<dd>{fact}</dd>" in page


def test_the_page_is_written_over_by_each_run(stack: Stack, service: Service) -> None:
    first = service.has()
    stack.run(exportIds=[first])
    before = stack.body(STATUS_PAGE)
    second = service.has()

    stack.run(exportIds=[second])

    assert second not in before.decode()
    assert second in stack.body(STATUS_PAGE).decode()


def test_the_command_writes_the_page_and_links_to_it(
    aws: LocalAws, stack: Stack, service: Service, tmp_path: Path
) -> None:
    export_id = service.has()
    stack.run(exportIds=[export_id])
    path = tmp_path / "page.html"

    written = run_command(aws, PROGRAM, "page", "--file", path)
    linked = run_command(aws, PROGRAM, "page", "--link", "1m")

    assert written.returncode == linked.returncode == 0, written.stderr + linked.stderr
    assert export_id in path.read_text("utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (link,) = json.loads(linked.stdout)
    answer = PoolManager(ca_certs=aws.env["AWS_CA_BUNDLE"]).request("GET", link["url"])
    assert (answer.status, export_id in answer.data.decode()) == (200, True)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert PoolManager(ca_certs=aws.env["AWS_CA_BUNDLE"]).request("GET", f"{link['url']}0").status == 403
