"""No name that others rely on comes or goes by accident."""

from infra.settings.settings import Settings
from tests.infra import pinned_names
from tests.infra.synthesis import EVERYTHING
from tests.infra.template import Template


def compare(which: str, template: Template) -> None:
    changed = pinned_names.differences(pinned_names.pinned()[which], pinned_names.names(template))
    assert not changed, "\n".join(
        [
            f"names of the stack {which} came (+) or went (-):",
            *(f"  {line}" for line in changed),
            "Others rely on them. If every one of these changes is meant, list it in CHANGELOG.md and run:",
            f"  {pinned_names.COMMAND}",
        ]
    )


def test_names_of_the_stack_by_default_are_those_that_are_pinned(template: Template) -> None:
    compare("by default", template)


def test_names_of_the_stack_with_everything_are_those_that_are_pinned(everything: Template) -> None:
    compare("with everything", everything)


def test_the_stack_with_everything_has_all_that_is_off_by_default(everything: Template, template: Template) -> None:
    """A feature that is not turned on here would have names that nothing compares."""
    off = [name for name, setting in Settings.model_fields.items() if not setting.default]

    assert [name for name in off if not getattr(EVERYTHING, name)] == []
    assert set(template.names) < set(everything.names)
