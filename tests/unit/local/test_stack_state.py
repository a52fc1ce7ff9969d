"""What a local AWS leaves on disk."""

from pathlib import Path

import pytest

from local.stack.errors import LocalAwsFailed
from local.stack.processes import Process
from local.stack.state import Instance, State

INSTANCE = Instance(
    port=1,
    discovery="https://localhost:2",
    own_double=True,
    processes=(Process("ministack", 3, "boot 4"),),
    deployed="5",
)


def test_instance_is_found_again(tmp_path: Path) -> None:
    _state(tmp_path).save(INSTANCE)

    assert State(tmp_path).load() == INSTANCE


def test_no_instance_in_a_new_folder(tmp_path: Path) -> None:
    assert State(tmp_path / "new").load() is None


def test_record_that_cannot_be_read_is_no_instance(tmp_path: Path) -> None:
    state = _state(tmp_path)
    state.save(INSTANCE)
    record = state.work / "instance.json"

    for damaged in ("", "[]", "{", '{"port": 1}', '{"processes": []}'):
        record.write_text(damaged)

        assert state.load() is None


def test_forgetting_leaves_what_is_not_ours(tmp_path: Path) -> None:
    state = _state(tmp_path)
    state.save(INSTANCE)
    state.env.touch()
    state.outputs.touch()
    (tmp_path / "notes.txt").touch()

    with state.locked():
        state.forget()
        state.remove_folder()

    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_forgetting_all_leaves_no_folder(tmp_path: Path) -> None:
    state = State(tmp_path / "local")

    with state.locked():
        state.forget()
        state.remove_folder()

    assert not state.folder.exists()


def test_what_only_one_may_do_is_refused_to_a_second_in_a_sentence(tmp_path: Path) -> None:
    with (
        _state(tmp_path).only_one("demo"),
        pytest.raises(LocalAwsFailed, match=r"^another demo runs on this local AWS: wait for its end\.$"),
        State(tmp_path).only_one("demo"),
    ):
        pass

    with State(tmp_path).only_one("demo"):
        pass


def _state(folder: Path) -> State:
    state = State(folder)
    state.work.mkdir()
    return state
