"""Request again the exports that a run did not store: ``python examples/request_again.py EXECUTION_ARN``.

Reads the report of the run and starts new runs for all exports that are neither STORED nor TRUNCATED, with up to 5,000
exports in each. A new run reads a FAILED export from the service again, downloads a REJECTED export again, and resumes
any other export.
"""

import json
import sys
from collections.abc import Iterator

import boto3
from botocore.exceptions import BotoCoreError, ClientError

STORED = {"STORED", "TRUNCATED"}
MAX_IDS = 5_000


def not_stored(execution_arn: str) -> list[str]:
    """Return the ids of the exports that are not stored, according to the report of the run.

    Raises SystemExit if the run has no report: it is still running, its input was invalid, or one of its steps failed.
    """
    execution = boto3.client("stepfunctions").describe_execution(executionArn=execution_arn)
    result = execution.get("error", execution["status"])
    text = execution.get({"SUCCEEDED": "output", "ExportsNotStored": "cause"}.get(result, ""))
    if not text:
        raise SystemExit(f"The run has no report: {execution['status']} {execution.get('error', '')}")
    output = json.loads(str(text))
    bucket, _, key = output["report"].removeprefix("s3://").partition("/")
    report = json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
    return [export["exportId"] for export in report["exports"] if export["outcome"] not in STORED]


def request_again(execution_arn: str) -> Iterator[str]:
    """Start the new runs and yield the ARNs of their executions."""
    steps = boto3.client("stepfunctions")
    state_machine = execution_arn.rpartition(":")[0].replace(":execution:", ":stateMachine:")
    export_ids = not_stored(execution_arn)
    for first in range(0, len(export_ids), MAX_IDS):
        run_input = json.dumps({"exportIds": export_ids[first : first + MAX_IDS]})
        yield steps.start_execution(stateMachineArn=state_machine, input=run_input)["executionArn"]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    try:
        for arn in request_again(sys.argv[1]):
            print(arn)
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(str(error)) from None
