"""How many events a state machine's history can grow by, counted from its definition."""

from collections.abc import Iterator, Mapping
from typing import Any

States = Mapping[str, Any]

AROUND_A_RUN = 2
"""ExecutionStarted, and how it ended."""
AROUND_A_STATE = 2
"""…StateEntered and …StateExited."""
A_TRY = 3
"""TaskScheduled, TaskStarted, and how the task ended."""
AROUND_ITEMS = 2
"""MapStateStarted and MapStateSucceeded."""
AROUND_AN_ITEM = 2
"""MapIterationStarted and MapIterationSucceeded."""


def of_state(state: Mapping[str, Any]) -> int:
    """Events of one passage with every try used up; of a Map, without its items."""
    match state["Type"]:
        case "Task":
            tries = 1 + sum(int(retry["MaxAttempts"]) for retry in state["Retry"])
            return AROUND_A_STATE + tries * A_TRY
        case "Map":
            return AROUND_A_STATE + AROUND_ITEMS
        case _:
            return AROUND_A_STATE


def of_item(state: Mapping[str, Any]) -> int:
    """Events of one item of a Map, on its longest way."""
    processor = state["ItemProcessor"]
    return AROUND_AN_ITEM + max(of_path(path, processor["States"]) for path in paths(processor))


def of_path(path: tuple[str, ...], states: States) -> int:
    return sum(of_state(states[name]) for name in path)


def paths(processor: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Every way from the start to an end, or back to a state that it has passed."""
    return list(_walks(processor["States"], (processor["StartAt"],)))


def rounds(processor: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The ways that lead back to the start, each without its last step."""
    return [path for path in paths(processor) if processor["StartAt"] in following(processor["States"][path[-1]])]


def following(state: Mapping[str, Any]) -> set[str]:
    """The states that may come next."""
    branches = [*state.get("Choices", []), *state.get("Catch", []), state]
    return {branch["Next"] for branch in branches if "Next" in branch} | {
        state[key] for key in ("Default",) if key in state
    }


def _walks(states: States, walked: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    ahead = following(states[walked[-1]])
    if not ahead or ahead & set(walked):
        yield walked
    for name in sorted(ahead - set(walked)):
        yield from _walks(states, (*walked, name))
