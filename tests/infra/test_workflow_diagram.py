"""The diagram of the workflow is generated from the deployed definition."""

from typing import Any

from tools import workflow_diagram


def test_diagrams_in_the_docs_are_up_to_date(definition: dict[str, Any]) -> None:
    diagram = workflow_diagram.draw(definition)

    assert workflow_diagram.documents()
    for path in workflow_diagram.documents():
        document = path.read_text("utf-8")
        assert document == workflow_diagram.renewed(document, diagram), (
            f"{path} is out of date: python -m tools.workflow_diagram"
        )


def test_diagram_shows_every_state_once(definition: dict[str, Any]) -> None:
    diagram = workflow_diagram.draw(definition)

    for name in ("Plan run", "Check exports", "Store export", "Storing failed", "Run done"):
        assert diagram.count(f'"{name}"') == 1
