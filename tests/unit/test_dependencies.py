"""Clients of a function are created once, with the garbage collector off."""

import gc

import pytest

from exports.dependencies import cached_client


def test_a_cached_client_is_created_once_with_gc_off() -> None:
    gc_enabled: list[bool] = []
    connect = cached_client(lambda: gc_enabled.append(gc.isenabled()))

    connect()
    connect()

    assert (gc_enabled, gc.isenabled()) == ([False], True)


def test_gc_is_on_again_after_an_error() -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        cached_client(fail)()

    assert gc.isenabled()
