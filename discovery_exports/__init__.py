"""Stores exports of AWS Application Discovery Service in S3: the construct for the AWS CDK, and a command."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .infra.public_names import (
        CustomDataset,
        DiscoveryExports,
        DiscoveryExportsStack,
        Schedule,
        Settings,
        SettingsError,
    )

__version__ = "0.1.0"
__all__ = ["CustomDataset", "DiscoveryExports", "DiscoveryExportsStack", "Schedule", "Settings", "SettingsError"]


if not TYPE_CHECKING:  # for a type checker, a module with this function would have every name

    def __getattr__(name: str) -> object:
        """The name, imported at its first use: the command does not need the CDK, which takes seconds to import."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(".infra.public_names", __name__), name)
