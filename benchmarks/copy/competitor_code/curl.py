"""curl to /dev/null: the maximum speed of reading over one connection."""

import subprocess
from collections.abc import Callable

from benchmarks.copy.competitor_code.job import Job


def ready(job: Job) -> Callable[[str], None]:
    def read(name: str) -> None:
        command = ["curl", "--silent", "--fail", "--cacert", job.certificates, "--output", "/dev/null"]
        subprocess.run([*command, job.download_url(name)], check=True)

    return read
