"""What AWS asks for in us-east-1, and how long the calls are taken to be. Prices as of November 2026."""

from dataclasses import dataclass

TRANSITION = 25 / 1_000_000
"""Dollars for a state transition of a Standard workflow: https://aws.amazon.com/step-functions/pricing/"""
LAMBDA_CALL = 0.20 / 1_000_000
LAMBDA_GB_SECOND = 0.0000166667
"""Dollars on x86: https://aws.amazon.com/lambda/pricing/"""
MEMORY_GB = 0.5
LOOK_MS = 300
"""Taken for one call that describes and reads or writes the catalog, whoever makes it; not measured on AWS."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What was used. Storing's own Lambda time is left out: it is the same for everybody."""

    transitions: int = 0
    looks: int = 0
    describes: int = 0

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(self.transitions + other.transitions, self.looks + other.looks, self.describes + other.describes)

    @property
    def lambda_ms(self) -> int:
        return self.looks * LOOK_MS

    @property
    def transitions_price(self) -> float:
        return self.transitions * TRANSITION

    @property
    def price(self) -> float:
        """Dollars for transitions and Lambda."""
        seconds = self.lambda_ms / 1000
        return self.transitions_price + self.looks * LAMBDA_CALL + seconds * MEMORY_GB * LAMBDA_GB_SECOND
