"""The results of the batches, as the workflow passes them to its report. The local AWS does not apply this expression.

The expression is evaluated with the JSONata of the local AWS.
"""

import json
import subprocess
from typing import Any

import pytest

from exports.workflow.reporting import batch_failures
from local.stack.servers import MINISTACK_PYTHON
from tests.local.stack import Stack

EVALUATE = """
import json, sys
import jsonata
expression, states = json.load(sys.stdin)
result = jsonata.Jsonata.jsonata(expression).evaluate(None, {"states": states})
print(json.dumps(result))
"""
SETTLED = [{"batch": 1, "pending": 0}, {"batch": 3, "pending": 0}]
CAUGHT = {"batch": 2, "error": "States.Timeout", "cause": "late"}
FAILED = {"Input": '{"batch": {"runId": "run-1", "number": 2}}', "Status": "FAILED", "Error": "E", "Cause": "x" * 9_000}
ABORTED = {name: value for name, value in FAILED.items() if name not in {"Error", "Cause"}} | {"Status": "ABORTED"}


@pytest.fixture(scope="module")
def expression(stack: Stack) -> str:
    definition = json.loads(stack.steps.describe_state_machine(stateMachineArn=stack.machine)["definition"])
    return str(definition["States"]["Settle each batch"]["Output"]).removeprefix("{%").removesuffix("%}")


def passed_on(expression: str, result: Any) -> Any:
    done = subprocess.run(
        [MINISTACK_PYTHON, "-c", EVALUATE],
        input=json.dumps([expression, {"result": result}]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        (CAUGHT, "States.Timeout"),
        (FAILED, "E"),
        (ABORTED, "ABORTED"),
        ({**FAILED, "Cause": None, "Error": None}, "FAILED"),
        (None, "BatchNotSettled"),
        ({}, "BatchNotSettled"),
        ("text", "BatchNotSettled"),
        ({"pending": None, "batch": 2}, "BatchNotSettled"),
    ],
)
def test_failed_batch_is_passed_on_with_its_reason(expression: str, child: Any, reason: str) -> None:
    passed = passed_on(expression, [SETTLED[0], child, SETTLED[1]])

    assert {number: failure["error"] for number, failure in batch_failures(passed, 3).items()} == {2: reason}
    assert len(json.dumps(passed)) < 400


@pytest.mark.parametrize("result", [[], [SETTLED[0]], SETTLED])
def test_settled_batches_are_passed_on_as_a_list(expression: str, result: Any) -> None:
    assert passed_on(expression, result) == result
