"""The schema, the README and the runbook list the outcomes of the model."""

import json
from pathlib import Path
from typing import Any

from exports.outcomes import events
from exports.outcomes.outcome import WITH_DATA, Outcome

ROOT = Path(__file__).parents[3]
SCHEMA: dict[str, Any] = json.loads(Path(events.__file__).with_name("export_event.schema.json").read_text("utf-8"))


def table(page: str, heading: str) -> dict[str, list[str]]:
    """Cells by outcome of the first table after ``heading`` in ``page`` whose first column is ``outcome``."""
    text = (ROOT / page).read_text("utf-8").partition(heading)[2].partition("| outcome |")[2]
    lines = text.partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def test_the_event_schema_has_each_outcome_with_its_event_type_and_no_other() -> None:
    data = SCHEMA["properties"]["detail"]["properties"]["data"]["properties"]
    pairs = {
        branch["properties"]["detail-type"]["const"]: branch["properties"]["detail"]["properties"]["data"]["properties"]
        for branch in SCHEMA["oneOf"]
    }

    assert data["outcome"]["enum"] == list(Outcome)
    assert SCHEMA["properties"]["detail-type"]["enum"] == [outcome.event_type for outcome in Outcome]
    assert {name: each["outcome"] for name, each in pairs.items()} == {o.event_type: {"const": o} for o in Outcome}


def test_the_readme_lists_whether_each_outcome_is_settled() -> None:
    documented = {outcome: cells[-1] != "no" for outcome, cells in table("README.md", "## Outcomes").items()}

    assert documented == {outcome: outcome.settled for outcome in Outcome}


def test_the_runbook_has_an_action_for_each_outcome_without_data() -> None:
    assert set(table("docs/runbook.md", "aws s3 cp")) == set(Outcome) - set(WITH_DATA)
