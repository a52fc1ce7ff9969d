"""In a checkout, ``discovery_exports`` finds its names here; the package has the module of the double instead."""

from local.double.in_process import (
    Addition,
    Agent,
    ApplicationDiscovery,
    Container,
    Kind,
    Scenario,
    Settings,
    expired_link,
    failed,
    finished,
    late,
    odd,
    refused,
    running,
    truncated,
)

__all__ = [
    "Addition",
    "Agent",
    "ApplicationDiscovery",
    "Container",
    "Kind",
    "Scenario",
    "Settings",
    "expired_link",
    "failed",
    "finished",
    "late",
    "odd",
    "refused",
    "running",
    "truncated",
]
