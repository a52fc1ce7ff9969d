"""The picture of the workflow is drawn from what is deployed."""

from typing import Any

from infra import picture


def test_pictures_in_the_documents_are_current(definition: dict[str, Any]) -> None:
    drawn = picture.draw(definition)

    assert picture.documents()
    for path in picture.documents():
        document = path.read_text("utf-8")
        assert document == picture.renewed(document, drawn), f"{path} is out of date: python -m infra.picture"


def test_picture_shows_every_state_once(definition: dict[str, Any]) -> None:
    drawn = picture.draw(definition)

    for name in ("Plan run", "Check exports", "Store export", "Storing failed", "Run done"):
        assert drawn.count(f'"{name}"') == 1
