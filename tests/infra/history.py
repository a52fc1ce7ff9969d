"""The maximum number of events in the history of an execution, computed from the definition."""

from collections.abc import Iterator, Mapping
from typing import Any

States = Mapping[str, Any]

AROUND_A_RUN = 2
"""ExecutionStarted, and the event of its end."""
AROUND_A_STATE = 2
"""…StateEntered and …StateExited."""
AN_ATTEMPT = 3
"""TaskScheduled, TaskStarted, and the event of its end."""
AROUND_ITEMS = 2
"""MapStateStarted and MapStateSucceeded."""
AROUND_AN_ITEM = 2
"""MapIterationStarted and MapIterationSucceeded."""


def of_state(state: Mapping[str, Any]) -> int:
    """Events of one pass through the state without retries; for a Map, without its items."""
    match state["Type"]:
        case "Task":
            return AROUND_A_STATE + AN_ATTEMPT
        case "Map":
            return AROUND_A_STATE + AROUND_ITEMS
        case _:
            return AROUND_A_STATE


def most_retries(state: Mapping[str, Any]) -> int:
    """The maximum of retries in one pass through the state. Each Retrier counts its own."""
    return sum(int(retry["MaxAttempts"]) for retry in state.get("Retry", ()))


def of_item(state: Mapping[str, Any]) -> int:
    """Events of one item of a Map, on its longest path."""
    processor = state["ItemProcessor"]
    return AROUND_AN_ITEM + max(of_path(path, processor["States"]) for path in paths(processor))


def of_path(path: tuple[str, ...], states: States) -> int:
    return sum(of_state(states[name]) for name in path)


def paths(processor: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """All paths from the start to an end, or back to a state that the path has passed."""
    return list(_paths_after(processor["States"], (processor["StartAt"],)))


def rounds(processor: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The paths that lead back to the start, each without its last step."""
    return [path for path in paths(processor) if processor["StartAt"] in following(processor["States"][path[-1]])]


def following(state: Mapping[str, Any]) -> set[str]:
    """The possible next states."""
    branches = [*state.get("Choices", []), *state.get("Catch", []), state]
    return {branch["Next"] for branch in branches if "Next" in branch} | {
        state[key] for key in ("Default",) if key in state
    }


def _paths_after(states: States, passed: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    next_states = following(states[passed[-1]])
    if not next_states or next_states & set(passed):
        yield passed
    for name in sorted(next_states - set(passed)):
        yield from _paths_after(states, (*passed, name))
