"""Memory of the functions that handle all exports of a run, each in a process of its own, with their real adapters.

AWS is faked at the clients, so that a response is in memory in the form that botocore gives it.
"""

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

EXPORTS = 100_000
MESSAGE = "\N{GRINNING FACE}" * 500
"""The longest status message that is stored, in the longest characters."""
MEMORY = 512 * 2**20
"""Of both functions, as in the snapshot of the template."""
STORAGE = 2**30
"""Of ReportRun, as in ``infra/functions.py``."""
LAMBDA_RUNTIME = 60 * 10**6
"""Allowance for what the runtime of Lambda needs beside the function, in bytes."""
CHILD = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(sys.path),
    "POWERTOOLS_METRICS_NAMESPACE": "x",
    "POWERTOOLS_SERVICE_NAME": "x",
    "AWS_LAMBDA_FUNCTION_NAME": "x",
    "BUCKET_NAME": "b",
    "TABLE_NAME": "catalog",
    "TABLE_ARN": "arn:aws:dynamodb:us-west-2:111122223333:table/catalog",
    "EVENT_BUS_NAME": "default",
    "ACCOUNT_ID": "111122223333",
    "DISCOVERY_ACCOUNT_ID": "111122223333",
    "DISCOVERY_REGION": "us-west-2",
    "DEADLINE_MINUTES": "720",
    "SWEEP_DEADLINE_MINUTES": "55",
    "STACK_NAME": "DiscoveryExports",
    "LATE_AFTER_HOURS": "24",
}

FAKES = """
import json, sys
from pathlib import Path
from exports import dependencies
from exports.aws.discovery import DiscoveryService
from exports.outcomes.catalog import Catalog
from exports.outcomes.catalog_index import CatalogIndex

exports, message = int(sys.argv[1]), sys.argv[2]
ids = [f"export-{number:036d}" for number in range(exports)]
states = dict.fromkeys(ids, sys.argv[3])

class DynamoDB:
    def batch_get_item(self, RequestItems):
        (keys,) = RequestItems.values()
        return {"Responses": {"catalog": [self.item(key["exportId"]["S"]) for key in keys["Keys"]]}}

    def item(self, export_id):
        texts = {
            "exportId": export_id, "status": states[export_id], "statusMessage": "".join(message), "runId": "run-1",
            "exportStatus": states[export_id], "accountId": "111122223333", "region": "us-west-2",
            **{name: "2026-11-23T10:00:00.000Z" for name in ("firstSeenAt", "announcedAt", "settledAt")},
        }
        return {name: {"S": text} for name, text in texts.items()}

class Index:
    def query(self, **request):
        status = request["ExpressionAttributeValues"][":status"]["S"]
        if "Select" in request:
            return {"Count": 1000, "LastEvaluatedKey": {}}
        items = [self.item(f"{status}-{number:0190d}", status) for number in range(request["Limit"])]
        return {"Items": items, "LastEvaluatedKey": {}}

    def item(self, export_id, status):
        time = dependencies.utc_now().isoformat()
        texts = dict.fromkeys(("reason", "statusMessage", "lastError", "claimedBy"), "".join(message))
        times = {**dict.fromkeys(("firstSeenAt", "settledAt"), time), "exportRequestTime": "2026-01-01T00:00:00Z"}
        return {name: {"S": text} for name, text in {"exportId": export_id, "status": status, **texts, **times}.items()}

index = CatalogIndex(Index(), "catalog", clock=dependencies.utc_now)
dependencies.catalog_index = lambda: index
catalog = Catalog(DynamoDB(), "catalog", account="111122223333", region="us-west-2", clock=dependencies.utc_now)
dependencies.catalog = lambda: catalog
run = {"id": "run-1", "startedAt": "2026-11-23T09:00:00Z", "deadline": "2026-11-23T21:00:00Z", "onFailure": "fail"}

class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "x"

    def get_remaining_time_in_millis(self):
        return 300_000

def finish(result, **more):
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    text = json.dumps(result)
    print(json.dumps({"peak": int(peak.split()[1]) * 1024, "bytes": len(text), "result": result, **more}))
"""

REPORT_RUN = """
class Bucket:
    def read_json(self, key):
        number = int(key.rpartition("/")[2].removesuffix(".json").replace("plan", "0"))
        if not number:
            return {"run": run, "batches": exports // 100}
        return {"run": run, "exportIds": ids[(number - 1) * 100 : number * 100]}

    def put_json_file(self, key, file):
        self.size = file.seek(0, 2)
        file.seek(0)
        self.entries = sum(b'"exportId"' in line for line in file)
        file.seek(0)
        if exports <= 1000:
            self.document = json.load(file)

    def with_retry_policy(self, retry_policy):
        return self

    def put_page(self, key, page):
        self.page = len(page)

bucket = Bucket()
dependencies.bucket = lambda: bucket
dependencies.events = lambda: None
import report_run
batches = [{"batch": number + 1, "pending": 0} for number in range(exports // 100)]
result = report_run.handler({"execution": {"Name": "run-1"}, "batches": batches}, Context())
finish(result, size=bucket.size, entries=bucket.entries, page=bucket.page,
       document=getattr(bucket, "document", None))
"""

PLAN_RUN = """
class Discovery:
    def get_paginator(self, name):
        return self

    def paginate(self, **request):
        for start in range(0, exports, 100):
            yield {"exportsInfo": [self.info(number) for number in range(start, start + 100)]}

    def info(self, number):
        return {
            "exportId": ids[number], "exportStatus": "SUCCEEDED", "statusMessage": (str(number) + message)[:500],
            "exportRequestTime": 1.79e9 + number,
            "configurationsDownloadUrl": f"https://bucket.s3.us-west-2.amazonaws.com/{number}?" + "x" * 1500,
        }

written = []

class Bucket:
    def put_json(self, key, document):
        written.append(key)

dependencies.service = lambda: DiscoveryService(Discovery())
dependencies.bucket = lambda: Bucket()
import plan_run
execution = {"Id": "x", "Name": "run-1", "StartTime": "2026-11-23T10:00:00.000Z", "Input": {}}
finish(plan_run.handler({"execution": execution}, Context()), written=len(written))
"""


@cache
def measured(program: str, exports: int, status: str) -> dict[str, Any]:
    """The peak of the resident memory (VmHWM) and the result of one invocation."""
    command = [sys.executable, "-c", FAKES + program, str(exports), MESSAGE, status]
    done = subprocess.run(command, capture_output=True, check=False, env=CHILD, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_report_of_100_000_exports_with_long_messages_needs_little_memory() -> None:
    report = measured(REPORT_RUN, EXPORTS, "FAILED")

    assert report["result"]["output"]["requested"] == report["entries"] == EXPORTS
    print(report["peak"], report["size"])
    assert 200 * 10**6 < report["size"] < STORAGE
    assert report["peak"] + LAMBDA_RUNTIME < MEMORY
    assert report["peak"] - measured(REPORT_RUN, 1000, "FAILED")["peak"] < 40 * 10**6


def test_status_page_of_long_messages_needs_little_memory() -> None:
    """With 500 exports of every status, all late or not stored, and as many more."""
    report = measured(REPORT_RUN, 1000, "FAILED")

    print(report["peak"], report["page"])
    assert 150_000 < report["page"] < 300_000
    assert report["peak"] + LAMBDA_RUNTIME < MEMORY


def test_output_of_a_run_with_long_messages_fits_into_a_state() -> None:
    report = measured(REPORT_RUN, EXPORTS, "FAILED")

    assert 20 < len(report["result"]["output"]["exports"]) < 100
    assert 150 * 1024 < report["bytes"] < 256 * 1024


def test_the_report_is_a_document_with_every_export() -> None:
    document = measured(REPORT_RUN, 1000, "FAILED")["document"]

    assert document["requested"] == len(document["exports"]) == 1000
    assert document["counts"] == {"FAILED": 1000}
    assert document["exports"][0] == {
        "exportId": f"export-{0:036d}",
        "outcome": "FAILED",
        "statusMessage": MESSAGE,
    }


@pytest.mark.parametrize("status", ["STORED", "IN_PROGRESS"])
def test_a_sweep_over_100_000_exports_with_long_messages_needs_little_memory(status: str) -> None:
    planned = measured(PLAN_RUN, EXPORTS, status)

    assert planned["written"] == (1 if status == "STORED" else EXPORTS // 100 + 1)
    print(planned["peak"])
    assert planned["peak"] + LAMBDA_RUNTIME < MEMORY
