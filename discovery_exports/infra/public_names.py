"""In a checkout, ``discovery_exports`` finds its names here; the package has the module of ``infra`` instead."""

from infra.public_names import (
    CustomDataset,
    DiscoveryExports,
    DiscoveryExportsStack,
    Schedule,
    Settings,
    SettingsError,
)

__all__ = ["CustomDataset", "DiscoveryExports", "DiscoveryExportsStack", "Schedule", "Settings", "SettingsError"]
