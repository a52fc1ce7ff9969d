"""Names that users depend on do not change by accident."""

from infra.settings.settings import Settings
from tests.infra import pinned_names
from tests.infra.synthesis import EVERYTHING
from tests.infra.template import Template


def compare(which: str, template: Template) -> None:
    changed = pinned_names.differences(pinned_names.pinned()[which], pinned_names.names(template))
    assert not changed, "\n".join(
        [
            f"names of the stack {which} were added (+) or removed (-):",
            *(f"  {line}" for line in changed),
            "Users depend on these names. If every change is intended, list it in CHANGELOG.md and run:",
            f"  {pinned_names.COMMAND}",
        ]
    )


def test_names_of_the_default_stack_are_the_pinned_names(template: Template) -> None:
    compare("by default", template)


def test_names_of_the_stack_with_everything_are_the_pinned_names(everything: Template) -> None:
    compare("with everything", everything)


def test_the_stack_with_everything_has_all_that_is_off_by_default(everything: Template, template: Template) -> None:
    """The names of a feature that is off in both stacks would not be compared."""
    off = [name for name, setting in Settings.model_fields.items() if not setting.default]

    assert [name for name in off if not getattr(EVERYTHING, name)] == []
    assert set(template.names) < set(everything.names)
