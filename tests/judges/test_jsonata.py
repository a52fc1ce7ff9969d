"""Every JSONata expression of every state machine, evaluated by the version that Step Functions supports.

That is 2.0.6: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html. A state whose expression
fails, or gives nothing where JSON needs a value, fails with States.QueryEvaluationError.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from infra.cloudtrail_trigger import NAME, OTHER_NAME
from infra.collector import RUN_NAME
from infra.workflow import BATCH_RESULTS, COUNTED_INPUT, MAY_RETRY, REPORT_RETRIES
from tests.infra import synthesis
from tests.judges.servers import JSONATA, need
from tests.slow.test_examples import filled

Json = Any
PATH = re.compile(r"\$states(\.\w+)+")
NOTHING: dict[str, Json] = {}
"""The answer where an expression gives no value."""
LONG = "é" * 70_000
VALUES: Sequence[Json] = (
    # null, and what is empty
    *(None, "", [], {}, 0, False),
    # one element, which JSONata likes to take out of its array
    *([7], [[7]], [None], [[]], [{}], ["x"], {"a": [1]}, [{"a": [1]}], [[[["deep"]]]]),
    # hostile
    *("{% $states.context %}", "$$ & $eval('1')", "\"'`\\\n\r\t\0", "\ud800 \U0001f600", "toString", LONG),
    *({"length": 1}, {"sequence": True, "keepSingleton": True}, {"constructor": None}, {"": 1}),
)
"""What a member may be, if it is there at all."""

PATHS: Mapping[str, Mapping[str, str]] = {
    "Workflow/StateMachine": {
        "$states.input": "every state has an input",
        "$states.context.Execution": "the context object always has it",
        "$states.context.Execution.Name": "the context object always has it",
        "$states.context.Map.Item.Value": "the context object has it in the ItemSelector of every Map",
        "$states.result.Payload": "an invocation always has it; it is null for a function that returns nothing",
        "$states.errorOutput.Error": "every error has a name",
        "$states.input.invalid": "the state is only reached where it exists",
        "$states.input.batches": "the state is only reached where it exists",
        "$states.input.failure": "the state is only reached where it exists",
        "$states.input.output": "the state is only reached where it exists",
        "$states.input.ready": "the state is only reached where it has elements",
        "$states.input.batch": "Plan run writes it for every batch, Check exports passes it on",
        "$states.input.batch.number": "Plan run writes it for every batch, Check exports passes it on",
        "$states.input.nextCheckAt": "Check exports gives a time where something is pending and nothing ready",
    },
    "CloudTrail/Starter": {
        "$states.input": "every state has an input",
        "$states.input.exportId": "the rule matches events with it only",
    },
    "Collector/StateMachine": {
        "$states.input": "every state has an input",
        "$states.input.exportIds": "Collect exports always gives it",
        "$states.input.failure.cause": "the choice has looked for the failure, which always has both",
        "$states.input.failure.error": "the choice has looked for the failure, which always has both",
        "$states.result.Payload": "an invocation always has it",
    },
    "caller.asl.json": {
        "$states.context.Execution.Id": "the context object always has it",
        "$states.context.Execution.Name": "the context object always has it",
        "$states.errorOutput.Error": "every error has a name",
        "$states.input.agentId": "the example is started with it, as its comment says",
        "$states.input.outcome": "a run lists every export with its outcome",
        "$states.result.ExportId": "StartExportTask always answers with it",
    },
}
"""For each state machine its paths, and why Step Functions never evaluates them where the member is missing."""


def hash_of(value: str) -> str:
    return sha256(value.encode()).hexdigest()


EXPORT_IDS = [
    *((export_id, export_id) for export_id in ("export-1", "E", "_" * 80)),
    *((value, f"sha256_{hash_of(value)}") for value in ("", "a b", "_" * 81, "export-1\nx", "{% 1 %}", LONG)),
]
"""Each with the name of its execution."""
EVENT_ID = "0d5a1e2c-6f6b-4f0e-9f57-2b8d3a1c4e5f"
"""Of CloudTrail."""

Cases = Sequence[tuple[Mapping[str, Json], Json]]
"""What an expression can see, ``$states`` or variables by name, and what it has to give."""


def states(**given: Json) -> dict[str, Json]:
    return {"states": given}


def of(member: str) -> Cases:
    """Each of the values as a member of the input, for an expression that only asks whether it is there."""
    return [(states(input={}), False), *((states(input={member: value}), True) for value in VALUES)]


def text(value: Json) -> str:
    """As JSONata writes it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def cause_of(run: Mapping[str, Json]) -> str:
    """The cause of a failed ``startExecution.sync:2``: what DescribeExecution would answer."""
    return json.dumps({"ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:Workflow:x", **run})


FAILED_RUN = {"Error": "ExportsNotStored", "Cause": '{"counts": {"REJECTED": 1}, "report": "s3://b/r.json"}'}
FILE = {"dataset": "agent_os_info", "key": "data/x.csv", "rows": 2}

SETTLED = {"batch": 1, "pending": 0}
LOST = {"batch": 2, "error": "AccessDenied", "cause": ""}
STOPPED = {"Status": "ABORTED", "Input": "{}", "Error": "E", "Cause": "x" * 65, "Name": "not in the result"}
LOST_RESULTS: Sequence[Json] = (None, "text", 7, [], {}, False)
CHILDREN: Sequence[Sequence[tuple[Json, Json]]] = (
    [],
    [(SETTLED, SETTLED)],
    [(SETTLED, SETTLED), (LOST, LOST)],
    [({**SETTLED, "unknown": LONG}, SETTLED)],
    [({"Status": "FAILED", "Input": "{}"}, {"Status": "FAILED", "Input": "{}"})],
    [(STOPPED, {"Status": "ABORTED", "Input": "{}", "Error": "E", "Cause": "x" * 64})],
    *([(lost, {}), (SETTLED, SETTLED)] for lost in LOST_RESULTS),
)
"""Results of child executions, each with what is passed on of it."""
RESULTS: Sequence[Json] = ([], [7], [7, 8], [None], [[]], [{}], [LONG])
"""What storing may give, as far as JSONata is concerned."""

COMPUTED: Mapping[str, Mapping[str, Cases]] = {
    "Workflow/StateMachine": {
        "$exists($states.input.invalid)": of("invalid"),
        "$exists($states.input.batches)": of("batches"),
        "$exists($states.input.failure)": of("failure"),
        "$exists($states.input.output)": of("output"),
        "$states.input.pending = 0": [
            (states(input={}), False),
            (states(input={"pending": 1}), False),
            *((states(input={"pending": value}), value == 0 and value is not False) for value in VALUES),
        ],
        "$count($states.input.ready) > 0": [
            (states(input={}), False),
            (states(input={"ready": [7, 8]}), True),
            *((states(input={"ready": value}), value != []) for value in VALUES),
        ],
        '$substring($states.errorOutput.Cause & "", 0, 64)': [
            (states(errorOutput={"Error": "States.Timeout"}), ""),
            *((states(errorOutput={"Cause": value}), text(value)[:64]) for value in VALUES),
        ],
        BATCH_RESULTS.removeprefix("{%").removesuffix("%}").strip(): [
            (states(result=[child for child, _ in children]), [shown for _, shown in children]) for children in CHILDREN
        ],
        MAY_RETRY.removeprefix("{%").removesuffix("%}").strip(): [
            *((states(context={"State": {"RetryCount": count}}), count < REPORT_RETRIES) for count in range(20)),
            (states(context={"State": {}}), False),
        ],
        COUNTED_INPUT.removeprefix("{%").removesuffix("%}").strip(): [
            (states(input={"batch": 1}, context={"State": {"RetryCount": 3}}), {"batch": 1, "retryCount": 3}),
            (states(input={"batch": 1}, context={"State": {}}), {"batch": 1}),
        ],
        '$merge([$states.input, {"results": $states.result}])': [
            (
                states(input={"batch": value, "ready": [7]}, result=result),
                {"batch": value, "ready": [7], "results": result},
            )
            for value in VALUES
            for result in RESULTS
        ],
    },
    "CloudTrail/Starter": {
        NAME: [(states(input={"exportId": export_id}), name) for export_id, name in EXPORT_IDS],
        OTHER_NAME: [
            (states(input={"exportId": export_id, "eventId": EVENT_ID}), f"sha256_{hash_of(f'{export_id} {EVENT_ID}')}")
            for export_id, _ in EXPORT_IDS
        ],
    },
    "Collector/StateMachine": {
        "$count($states.input.exportIds) > 0": [
            (states(input={"exportIds": ids}), bool(ids)) for ids in ([], ["export-1"], ["export-1", "export-2"])
        ],
        "$exists($states.input.failure)": [
            (states(input={"exportIds": []}), False),
            (states(input={"exportIds": [], "failure": {"error": "e", "cause": "c"}}), True),
        ],
        RUN_NAME.removeprefix("{%").removesuffix("%}").strip(): [
            (states(context={"Execution": {"Name": name}}), f"collect-{hash_of(name)}") for name, _ in EXPORT_IDS
        ],
    },
    "caller.asl.json": {
        "$exportId": [({"exportId": "export-1"}, "export-1")],
        "$states.errorOutput.Cause & ''": [
            (states(errorOutput={"Error": "States.Timeout"}), ""),
            *((states(errorOutput={"Cause": value}), text(value)) for value in VALUES),
        ],
        # A run lists each of its exports, and fails unless each has a manifest.
        "$states.result.Output.exports[0]": [
            (states(result={"Output": {"exports": [value]}}), value) for value in ({"exportId": "export-1"}, {"a": [1]})
        ],
        "$substringAfter($states.input.manifest, 's3://exports/')": [
            (states(input={"manifest": f"s3://exports/{key}"}), key) for key in ("manifests/x.json", "s3://exports/x")
        ],
        "[$parse($states.result.Body).files.{'dataset': dataset, 'key': key, 'rows': rows}]": [
            (states(result={"Body": json.dumps(manifest)}), files)
            for manifest, files in (
                ({}, []),
                ({"files": []}, []),
                ({"files": [FILE]}, [FILE]),
                ({"files": [FILE, {"key": "k", "dataset": None}]}, [FILE, {"key": "k", "dataset": None}]),
                ({"files": [{**FILE, "columns": ["a"]}]}, [FILE]),
            )
        ],
        "($read := function($text) { $substring($text, 0, 1) = '{' ? $parse($text) : {'message': $text} }; "
        "$outer := $read($states.input.cause); $run := $exists($outer.ExecutionArn) "
        "? {'error': $outer.Error, 'cause': $outer.Cause} : $states.input; "
        "$merge([{'exportId': $exportId, 'error': $run.error}, $read($run.cause)]))": [
            (
                {**states(input={"error": error, "cause": cause}), "exportId": "export-1"},
                {"exportId": "export-1", **output},
            )
            for error, cause, output in (
                (
                    "ExportsNotStored",
                    FAILED_RUN["Cause"],
                    {"error": "ExportsNotStored", **json.loads(FAILED_RUN["Cause"])},
                ),
                (
                    "States.TaskFailed",
                    cause_of(FAILED_RUN),
                    {"error": "ExportsNotStored", **json.loads(FAILED_RUN["Cause"])},
                ),
                ("States.TaskFailed", cause_of({"Status": "TIMED_OUT"}), {}),
                (
                    "States.TaskFailed",
                    cause_of({"Error": "x", "Cause": "no JSON"}),
                    {"error": "x", "message": "no JSON"},
                ),
                ("States.Timeout", "", {"error": "States.Timeout", "message": ""}),
                ("States.Timeout", "'{ $x", {"error": "States.Timeout", "message": "'{ $x"}),
            )
        ],
        "$string($states.input)": [(states(input=value), text(value)) for value in VALUES],
    },
}
"""For each state machine its other expressions."""


@cache
def machines() -> Mapping[str, Json]:
    """The definitions of all state machines, deployed or in an example."""
    template = synthesis.with_everything()
    deployed = {
        name: json.loads(template.text(machine["Properties"]["DefinitionString"]))
        for name, machine in template.of_type("AWS::StepFunctions::StateMachine").items()
    }
    return {**deployed, "caller.asl.json": filled("caller.asl.json")}


def expressions(definition: Json) -> Iterator[str]:
    """All in the definition, without the marks around them."""
    if isinstance(definition, str) and definition.startswith("{%"):
        yield definition.removeprefix("{%").removesuffix("%}").strip()
    elif isinstance(definition, dict | list):
        for each in definition.values() if isinstance(definition, dict) else definition:
            yield from expressions(each)


def evaluate(cases: Sequence[tuple[str, Mapping[str, Json]]]) -> list[dict[str, Json]]:
    """``{"value": …}``, ``NOTHING`` or ``{"error": …}`` for each expression with what it can see."""
    need(JSONATA)
    asked = json.dumps([{"expression": expression, "bindings": bindings} for expression, bindings in cases])
    script = Path(__file__).with_name("evaluate.mjs")
    node = subprocess.run(["node", script], input=asked, capture_output=True, text=True, check=True)
    answers: list[dict[str, Json]] = json.loads(node.stdout)
    return answers


def with_value(path: str, value: Json) -> dict[str, Json]:
    """What can be seen where ``path`` leads to ``value``."""
    for name in reversed(path.removeprefix("$").split(".")):
        value = {name: value}
    return dict(value)


@pytest.mark.parametrize("machine", PATHS)
def test_expressions_are_those_that_are_evaluated_here(machine: str) -> None:
    assert set(expressions(machines()[machine])) == {*PATHS[machine], *COMPUTED[machine]}


def test_every_state_machine_is_evaluated_here() -> None:
    assert set(machines()) == set(PATHS) == set(COMPUTED)


@pytest.mark.parametrize("machine", PATHS)
def test_a_path_gives_exactly_what_is_there(machine: str) -> None:
    paths = [path for path in PATHS[machine] if PATH.fullmatch(path)]

    assert paths == list(PATHS[machine])
    assert wrong([(path, with_value(path, value), value) for path in paths for value in VALUES]) == []


@pytest.mark.parametrize("machine", COMPUTED)
def test_other_expressions_give_what_the_state_needs(machine: str) -> None:
    assert wrong([(expression, *case) for expression, cases in COMPUTED[machine].items() for case in cases]) == []


def wrong(cases: Sequence[tuple[str, Mapping[str, Json], Json]]) -> list[Json]:
    """The expressions that give something else, compared as JSON, in which true is not 1."""
    answers = evaluate([(expression, bindings) for expression, bindings, _ in cases])
    return [
        (*case, answer)
        for case, answer in zip(cases, answers, strict=True)
        if json.dumps(answer, sort_keys=True) != json.dumps({"value": case[2]}, sort_keys=True)
    ]


def test_errors_and_missing_values_are_noticed() -> None:
    answers = evaluate([("$states.input.a", states(input={})), ("$match(7, /x/)", {}), ("$eval('1')", {})])

    assert answers[0] == NOTHING
    assert [list(answer) for answer in answers[1:]] == [["error"], ["error"]]
