"""The package as a user has it: built from this checkout, and installed into an environment of its own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build(folder: Path, *, checkout: Path = ROOT, umask: int = 0o022) -> Path:
    """The wheel of a checkout, in the folder."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, umask=umask)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path, *, extra: str = "") -> Path:
    """The Python of a new environment with the wheel and what it or its extra requires, in the locked versions.

    They are in the cache of uv, if ``make setup`` has installed them on this computer. Otherwise they are downloaded.
    """
    _uv("venv", "--quiet", "--python", sys.executable, str(environment)).check_returncode()
    python = environment / "bin" / "python"
    arguments = ["--python", str(python), "--constraint", str(ROOT / "requirements-dev.txt")]
    arguments.append(f"{wheel}[{extra}]" if extra else str(wheel))
    if _install("--offline", *arguments).returncode:
        _install(*arguments).check_returncode()
    return python


def _install(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return _uv("pip", "install", "--quiet", "--only-binary", ":all:", *arguments)


def _uv(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command: Sequence[str] = [sys.executable, "-m", "tools.uv", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False)
