"""How long the claim of an invocation to an export lasts."""

from datetime import timedelta


def claim_duration(time_left: timedelta) -> timedelta:
    """The duration of a claim that an invocation makes ``time_left`` before Lambda ends it: all of that time.

    A shorter claim would let another run store the export at the same time. A longer one would make every other run
    wait after the invocation was killed.
    """
    return time_left
