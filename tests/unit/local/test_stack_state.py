"""State of a local AWS on disk."""

import os
from pathlib import Path

import pytest

from local.stack.errors import LocalAwsFailed
from local.stack.processes import Process
from local.stack.state import Instance, State

INSTANCE = Instance(
    port=1,
    secret="a secret",
    discovery="https://localhost:2",
    own_double=True,
    processes=(Process("ministack", 3, "boot 4"),),
    deployed="5",
)


def test_instance_is_loaded(tmp_path: Path) -> None:
    _state(tmp_path).save(INSTANCE)

    assert State(tmp_path).load() == INSTANCE


def test_a_new_folder_has_no_instance(tmp_path: Path) -> None:
    assert State(tmp_path / "new").load() is None


def test_a_damaged_record_is_no_instance(tmp_path: Path) -> None:
    state = _state(tmp_path)
    state.save(INSTANCE)
    record = state.work / "instance.json"

    for damaged in ("", "[]", "{", '{"port": 1}', '{"processes": []}'):
        record.write_text(damaged)

        assert state.load() is None


def test_attack_1_files_with_secrets_can_be_read_by_their_user_only(tmp_path: Path) -> None:
    """Whatever the umask, and whatever an earlier start has left."""
    state = State(tmp_path)
    state.env.touch(mode=0o666)
    before = os.umask(0)
    try:
        state.make_work()
        state.write_env("export NAME=secret\n")
    finally:
        os.umask(before)

    assert [path.stat().st_mode & 0o777 for path in (state.work, state.env)] == [0o700, 0o600]
    assert state.env.read_text() == "export NAME=secret\n"


def test_forget_keeps_other_files(tmp_path: Path) -> None:
    state = _state(tmp_path)
    state.save(INSTANCE)
    state.env.touch()
    state.outputs.touch()
    (tmp_path / "notes.txt").touch()

    with state.locked():
        state.forget()
        state.remove_folder()

    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_forget_deletes_an_empty_folder(tmp_path: Path) -> None:
    state = State(tmp_path / "local")

    with state.locked():
        state.forget()
        state.remove_folder()

    assert not state.folder.exists()


def test_a_second_demo_on_one_local_aws_is_rejected(tmp_path: Path) -> None:
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
