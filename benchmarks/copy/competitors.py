"""The competitors by name, and the versions of their tools and packages."""

import platform
import subprocess
from importlib.metadata import version

PRODUCT = "discovery-exports"
READ_LIMIT = "curl to /dev/null"
PIPELINE = "curl | aws s3 cp -"
FILEOBJ = "requests + upload_fileobj"
OBSTORE = "obstore, 8 ranges"

MODULES = {
    PRODUCT: "product",
    READ_LIMIT: "curl",
    PIPELINE: "pipeline",
    FILEOBJ: "upload_fileobj",
    OBSTORE: "obstore_ranges",
}
"""In ``competitor_code/``."""
PACKAGES = ("boto3", "botocore", "urllib3", "requests", "awscli", "obstore")


def versions() -> dict[str, str]:
    """Raises FileNotFoundError if curl is not installed."""
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return {"python": platform.python_version(), "curl": curl} | {name: version(name) for name in PACKAGES}
