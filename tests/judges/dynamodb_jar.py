"""Unpacks AWS's DynamoDB Local into ``.venv-judges/dynamodb``: ``python -m tests.judges.dynamodb_jar FOLDER``.

AWS offers the jar on its own site only; an npm package of AWS Amplify contains it. Only that package is downloaded, not
the hundreds that it depends on, and its digest is checked.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "amplify-dynamodb-simulator@2.9.30"
SHA512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
INSIDE = "package/emulator/"


def unpack(folder: Path) -> None:
    """Download the package with npm and unpack the jar and its libraries into ``folder``."""
    with TemporaryDirectory() as work:
        command = ["npm", "pack", "--loglevel=error", "--pack-destination", work, PACKAGE]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"DynamoDB Local is missing. It is in the npm package {PACKAGE}, which npm has to reach.")
        (archive,) = Path(work).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
            sys.exit(f"{PACKAGE} is not the package that was pinned.")
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.name.startswith(INSIDE) and (content := tar.extractfile(member)):
                    target = folder / member.name.removeprefix(INSIDE)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))
