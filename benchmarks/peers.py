"""The contestants: how each is started, and whether it is there."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.contestants.job import BUCKET, Job

PRODUCT = "discovery-exports"
READ_LIMIT = "curl to /dev/null"
PIPELINE = "curl | aws s3 cp -"
FILEOBJ = "requests + upload_fileobj"
SMART_OPEN = "smart_open"
OBSTORE = "obstore, 8 ranges"
RCLONE = "rclone copyurl"
IN_MEMORY = "Airflow's way"

Commands = Callable[[Job, str], Sequence[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """``module`` names one in ``contestants/``, which may copy many files in one process; others have ``commands``."""

    name: str
    needs: tuple[str, ...]
    module: str = ""
    commands: Commands | None = None
    copies: bool = True

    def start(self, job: Job, name: str) -> Sequence[Sequence[str]]:
        if self.commands:
            return self.commands(job, name)
        return [[sys.executable, "-m", "benchmarks.contestants", self.module]]

    @property
    def missing(self) -> list[str]:
        return [need for need in self.needs if not found_version(need)]


def _curl(job: Job, name: str) -> list[str]:
    return ["curl", "--silent", "--fail", "--cacert", job.certificates, job.link(name)]


def _read_only(job: Job, name: str) -> list[list[str]]:
    return [[*_curl(job, name), "--output", "/dev/null"]]


def _pipeline(job: Job, name: str) -> list[list[str]]:
    return [_curl(job, name), [str(_beside_python("aws")), "s3", "cp", "-", f"s3://{BUCKET}/{name}"]]


def _rclone(job: Job, name: str) -> list[list[str]]:
    options = ["--config", "", "--ca-cert", job.certificates, "--s3-provider", "Other", "--s3-endpoint", job.endpoint]
    # It takes its certificate from its own option, and stumbles over the AWS SDK's variable.
    return [
        [
            "env",
            "--unset=AWS_CA_BUNDLE",
            "rclone",
            "copyurl",
            job.link(name),
            f":s3:{BUCKET}/{name}",
            *options,
            *_RCLONE_S3,
        ]
    ]


_RCLONE_S3 = ["--s3-env-auth", "--s3-region", "us-east-1", "--s3-no-check-bucket"]

CONTESTANTS = (
    Contestant(PRODUCT, ("boto3", "botocore", "urllib3"), "product"),
    Contestant(READ_LIMIT, ("curl",), commands=_read_only, copies=False),
    Contestant(PIPELINE, ("curl", "awscli"), commands=_pipeline),
    Contestant(FILEOBJ, ("requests", "boto3"), "upload_fileobj"),
    Contestant(SMART_OPEN, ("smart_open", "boto3"), "smart_opened"),
    Contestant(OBSTORE, ("obstore",), "obstore_ranges"),
    Contestant(RCLONE, ("rclone",), commands=_rclone),
    Contestant(IN_MEMORY, ("requests", "boto3"), "in_memory"),
)
PROGRAMS = ("curl", "rclone")


def found_version(need: str) -> str:
    """The version of a program or of a package; nothing when it is not there."""
    if need in PROGRAMS:
        return _program_version(need)
    try:
        return version(need)
    except PackageNotFoundError:
        return ""


def versions() -> dict[str, str]:
    """Of everything that takes part and is there."""
    needs = dict.fromkeys(need for contestant in CONTESTANTS for need in contestant.needs)
    found = {need: found_version(need) for need in needs}
    return {"python": platform.python_version()} | {need: text for need, text in found.items() if text}


def _program_version(name: str) -> str:
    if not shutil.which(name):
        return ""
    answer = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    words = answer.stdout.split()
    return words[1] if len(words) > 1 else ""


def _beside_python(name: str) -> Path:
    return Path(sys.executable).with_name(name)
