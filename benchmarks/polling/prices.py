"""What AWS charges in us-east-1, as of November 2026, and the assumed duration of an invocation."""

from dataclasses import dataclass

TRANSITION = 25 / 1_000_000
"""Dollars for a state transition of a Standard workflow: https://aws.amazon.com/step-functions/pricing/"""
LAMBDA_CALL = 0.20 / 1_000_000
LAMBDA_GB_SECOND = 0.0000166667
"""Dollars on x86: https://aws.amazon.com/lambda/pricing/"""
MEMORY_GB = 0.5
CALL_SECONDS = 0.3
"""Assumed for an invocation that describes exports and reads or writes the catalog; not measured on AWS."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The usage of polling. The Lambda time of storing is not included: it is the same for every method."""

    transitions: int
    lambda_calls: int
    describes: int

    @property
    def transitions_price(self) -> float:
        """Dollars."""
        return self.transitions * TRANSITION

    @property
    def price(self) -> float:
        """Dollars for transitions and Lambda."""
        return self.transitions_price + self.lambda_calls * (LAMBDA_CALL + CALL_SECONDS * MEMORY_GB * LAMBDA_GB_SECOND)
