"""Runs commands as a user does, with the project's Python and the AWS CLI on the path."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

from local.stack.aws import LocalAws
from local.stack.servers import ROOT
from tests.local.waiting import until

AWS_CLI = ROOT / ".venv-awscli" / "bin"


def run_command(
    aws: LocalAws, *command: str | Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. There is no time limit as long as it writes output. ``variables`` are added."""
    path = os.pathsep.join([str(Path(sys.executable).parent), str(AWS_CLI), os.environ["PATH"]])
    env = {**os.environ, **aws.env, **(variables or {}), "PATH": path}
    with (
        TemporaryFile("w+") as output,
        TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=errors, start_new_session=True) as process,
    ):
        try:
            until(
                lambda: process.poll() is not None,
                what=f"the end of {command[0]}",
                progress=lambda: [os.fstat(file.fileno()).st_size for file in (output, errors)],
            )
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(command, process.wait(), output.read(), errors.read())
