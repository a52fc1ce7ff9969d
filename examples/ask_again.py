"""Run anew what a run did not store: ``python examples/ask_again.py EXECUTION_ARN``.

It reads the run's report and starts a run for each 5,000 exports in it that are neither stored nor truncated. Those
that failed are read again from the service, those that were rejected are downloaded again, and the rest is taken up
where it was.
"""

import json
import sys
from collections.abc import Iterator

import boto3

STORED = {"STORED", "TRUNCATED"}
IDS_A_RUN = 5_000


def not_stored(execution_arn: str) -> list[str]:
    """The exports that the run's report says are not stored."""
    execution = boto3.client("stepfunctions").describe_execution(executionArn=execution_arn)
    ended = execution.get("error", execution["status"])
    text = execution.get({"SUCCEEDED": "output", "ExportsNotStored": "cause"}.get(ended, ""))
    if not text:
        raise SystemExit(f"The run has no report: {execution['status']} {execution.get('error', '')}")
    told = json.loads(text)
    bucket, _, key = told["report"].removeprefix("s3://").partition("/")
    report = json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    return [export["exportId"] for export in report["exports"] if export["outcome"] not in STORED]


def ask_again(execution_arn: str) -> Iterator[str]:
    """Start the runs, and say their ARNs."""
    steps = boto3.client("stepfunctions")
    state_machine = execution_arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")
    export_ids = not_stored(execution_arn)
    for first in range(0, len(export_ids), IDS_A_RUN):
        asked = json.dumps({"exportIds": export_ids[first : first + IDS_A_RUN]})
        yield steps.start_execution(stateMachineArn=state_machine, input=asked)["executionArn"]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    for started in ask_again(sys.argv[1]):
        print(started)
