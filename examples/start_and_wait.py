"""Start an export and store it: ``python examples/start_and_wait.py STATE_MACHINE_ARN``."""

import hashlib
import json
import re
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def store(state_machine_arn: str, export_id: str) -> dict[str, object]:
    """Run the workflow for one export and return the entry of this export in the output of the run.

    The name of the execution is the export id, so a second start does not run it again. An id that is not a valid
    execution name is hashed. If an execution of this name is for other exports, Step Functions chooses another name.
    Raises SystemExit if the run does not succeed.
    """
    steps = boto3.client("stepfunctions")
    fits = re.fullmatch("[A-Za-z0-9_-]{1,80}", export_id)
    name = export_id if fits else f"sha256_{hashlib.sha256(export_id.encode()).hexdigest()}"
    run_input = json.dumps({"exportIds": [export_id], "onFailure": "report"})
    arn = f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
    try:
        steps.start_execution(stateMachineArn=state_machine_arn, name=name, input=run_input)
    except steps.exceptions.ExecutionAlreadyExists:
        print(f"The execution {name} was started before", file=sys.stderr)
        existing = json.loads(steps.describe_execution(executionArn=arn)["input"])
        if existing.get("exportIds") != [export_id]:
            arn = steps.start_execution(stateMachineArn=state_machine_arn, input=run_input)["executionArn"]
    while (execution := steps.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(5)
    if execution["status"] != "SUCCEEDED":
        raise SystemExit(json.dumps([execution["status"], execution.get("error"), execution.get("cause")]))
    exports: list[dict[str, object]] = json.loads(execution["output"])["exports"]
    return exports[0]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    try:  # start no export if the state machine does not exist
        boto3.client("stepfunctions").describe_state_machine(stateMachineArn=sys.argv[1])
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(str(error)) from None
    export_id = boto3.client("discovery").start_export_task()["exportId"]
    print(json.dumps(store(sys.argv[1], export_id), indent=2))
