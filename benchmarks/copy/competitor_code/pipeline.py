"""A shell pipeline into the AWS CLI, which does not detect that the download failed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.copy.competitor_code.job import Job
from benchmarks.jobs import BUCKET

SCRIPT = 'curl --silent --fail --cacert "$1" "$2" | "$3" s3 cp --quiet - "$4"'
AWS = str(Path(sys.executable).with_name("aws"))


def ready(job: Job) -> Callable[[str], None]:
    def copy(name: str) -> None:
        values = [job.certificates, job.download_url(name), AWS, f"s3://{BUCKET}/{name}"]
        command = ["bash", "-o", "pipefail", "-c", SCRIPT, "pipeline", *values]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    return copy
