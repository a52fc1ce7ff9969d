"""Runs uv with the configuration of this machine's pip: ``python -m tools.uv pip install …``.

uv reads no pip.conf and no ``PIP_…`` variable (https://docs.astral.sh/uv/pip/compatibility/), so a mirror, proxy or
certificate that is configured for pip would have to be configured again. Variables that are set for uv take precedence.
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
"""Options of pip, and the equivalent variables of uv."""
SECTIONS = ("global", "install", ":env:")
"""Sections of ``pip config list``; later ones take precedence."""
COMMA_SEPARATED = ("UV_FIND_LINKS",)


def uv_variables(listed: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables to add to ``environ`` for uv, from the output ``listed`` of ``pip config list``."""
    options: dict[str, str] = {}
    for section in SECTIONS:
        for line in listed.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(f"{section}."):
                options[name.removeprefix(f"{section}.")] = ast.literal_eval(value)
    values = {VARIABLES[name]: value.split() for name, value in options.items() if name in VARIABLES}
    joined = {name: ("," if name in COMMA_SEPARATED else " ").join(each) for name, each in values.items()}
    # pip takes a version from any index that has it; uv only from the first index that has the package.
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
