"""The picture of the workflow is drawn from what is deployed."""

from typing import Any

from tools import workflow_diagram


def test_pictures_in_the_documents_are_current(definition: dict[str, Any]) -> None:
    drawn = workflow_diagram.draw(definition)

    assert workflow_diagram.documents()
    for path in workflow_diagram.documents():
        document = path.read_text("utf-8")
        assert document == workflow_diagram.renewed(document, drawn), (
            f"{path} is out of date: python -m tools.workflow_diagram"
        )


def test_picture_shows_every_state_once(definition: dict[str, Any]) -> None:
    drawn = workflow_diagram.draw(definition)

    for name in ("Plan run", "Check exports", "Store export", "Storing failed", "Run done"):
        assert drawn.count(f'"{name}"') == 1
