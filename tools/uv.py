"""uv with the package index of this machine's pip: ``python -m tools.uv pip install …``.

uv reads no pip.conf and no ``PIP_…`` variable (https://docs.astral.sh/uv/pip/compatibility/), so a machine whose pip
is told of a mirror, a proxy or a certificate would need all of it once more. What uv itself is told comes first.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""Options of pip, and the variables that tell uv the same."""
SECTIONS = ("global", "install", ":env:")
"""Where ``pip config list`` finds options; the later ones win."""
COMMA_SEPARATED = ("UV_FIND_LINKS",)


def uv_variables(listed: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What uv's environment lacks, from what ``pip config list`` prints."""
    options: dict[str, str] = {}
    for section in SECTIONS:
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                options[name.removeprefix(f"{section}.")] = ast.literal_eval(value)
    told = {VARIABLES[name]: value.split() for name, value in options.items() if name in VARIABLES}
    joined = {name: ("," if name in COMMA_SEPARATED else " ").join(values) for name, values in told.items()}
    # pip takes a version from whichever index has it; uv only from the first that knows the package.
    return {
        name: value
        for name, value in {**joined, "UV_INDEX_STRATEGY": "unsafe-best-match"}.items()
        if name not in environ
    }


def main() -> None:
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    uv = Path(sys.executable).with_name("uv")
    environ = {**os.environ, **uv_variables(listed.stdout, os.environ)}
    sys.exit(subprocess.run([uv, *sys.argv[1:]], env=environ, check=False).returncode)


if __name__ == "__main__":
    main()
