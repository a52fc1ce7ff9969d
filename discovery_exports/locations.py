"""Where the files are that the construct and the command read: beside this package, or in it once it is installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
IS_INSTALLED = (_PACKAGE / "functions").is_dir()
"""Whether this is the package that ``make dist`` builds, and not a checkout."""
ROOT = _PACKAGE if IS_INSTALLED else _PACKAGE.parent
"""The folder that has all others. The package has them by the names that they have in a checkout."""
FUNCTIONS = ROOT / "functions"
"""The code of the Lambda functions, with the lock file of the packages that it imports."""
PACKAGES = ROOT / ".lambda"
"""A folder for each architecture of Lambda, with the packages of the lock file and, written last, a copy of it."""
DATASETS = FUNCTIONS / "exports" / "datasets"
"""Definitions of the datasets and their tables."""
QUERIES = ROOT / "docs" / "queries"
"""Queries for Athena. Each file starts with a comment that describes the query."""
