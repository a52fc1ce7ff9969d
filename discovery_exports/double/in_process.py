"""In a checkout, ``discovery_exports`` finds its names here; the package has the module of the double instead."""

from local.double.in_process import *  # noqa: F403
