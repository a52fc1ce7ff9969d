"""What apps import from the package ``discovery_exports``."""

from .discovery_exports import DiscoveryExports
from .settings.dataset import CustomDataset
from .settings.rules import SettingsError
from .settings.schedule import Schedule
from .settings.settings import Settings
from .stack import DiscoveryExportsStack

__all__ = ["CustomDataset", "DiscoveryExports", "DiscoveryExportsStack", "Schedule", "Settings", "SettingsError"]
