"""One local AWS for a whole test session, shared by all of its processes, and gone with it."""

import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import uuid4

import pytest

from local.aws import LocalAws
from tests.local.turns import Turns

FOLDER = "shared_aws_folder"


class SharedAws:
    """A pytest plugin. Whoever needs the local AWS first brings it up, be it the session's own process or a worker.

    The session's own process chooses the folder that all of them meet in, and takes everything down at its end; should
    it die before, a guard that waits for that does the same.
    """

    def __init__(self, config: pytest.Config) -> None:
        handed: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._config = config
        self._owns = handed is None
        self._folder = Path(handed[FOLDER] if handed else f"{gettempdir()}/discovery-exports-tests-{uuid4().hex[:12]}")
        self._aws = LocalAws(self._folder / "aws", bound=self._owns, say=self.say)
        self.turns = Turns(self._folder)

    def up(self) -> LocalAws:
        """The local AWS with the stack deployed; it is deployed once, whichever processes ask."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with self.turns.alone():
            if not self._aws.running:
                self.say("\nThe tests of the deployed stack need a local AWS: this takes about 20 seconds.")
                self._aws.up()
        return self._aws

    @property
    def marker(self) -> str:
        """Stands in every link that the double hands out in this session, and may stand nowhere else."""
        return f"canary-{self._folder.name.rpartition('-')[2]}"

    def say(self, line: str) -> None:
        """Tell it on the terminal, past pytest's capture. A worker has its own terminal on standard error only."""
        capture: Any = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(line, file=sys.stderr, flush=True)

    # --- what pytest and pytest-xdist call ---

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker is about to start: it may die at any time, so the guard is this process's."""
        node.workerinput[FOLDER] = str(self._folder)
        self._aws.guard()

    def pytest_unconfigure(self) -> None:
        if self._owns:
            self._aws.down()
            shutil.rmtree(self._folder, ignore_errors=True)
