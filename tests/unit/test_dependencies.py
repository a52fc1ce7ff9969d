"""What a function connects to is made once, and without looking for garbage meanwhile."""

import gc

import pytest

from exports.dependencies import cached_client


def test_what_is_kept_is_made_once_and_without_collection() -> None:
    collecting: list[bool] = []
    connect = cached_client(lambda: collecting.append(gc.isenabled()))

    connect()
    connect()

    assert (collecting, gc.isenabled()) == ([False], True)


def test_garbage_is_looked_for_again_when_nothing_could_be_made() -> None:
    def refuse() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        cached_client(refuse)()

    assert gc.isenabled()
