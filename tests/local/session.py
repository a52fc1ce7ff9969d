"""The local AWS of a test session, shared by its processes but for the one whose tests disturb others."""

import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import uuid4

import pytest

from local.stack.aws import LocalAws

FOLDER = "shared_aws_folder"


class SharedAws:
    """A pytest plugin. Whoever needs a local AWS first brings it up, be it the session's own process or a worker.

    A process that begins with tests marked ``alone`` has a local AWS of its own: so these need not wait until nobody
    else works, and nobody waits for them. All others share one. Without workers one local AWS serves all tests.

    The session's own process chooses the folder that all of them meet in, and takes everything down at its end; should
    it die before, a guard that waits for that does the same.
    """

    def __init__(self, config: pytest.Config) -> None:
        handed: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._config = config
        self._owns = handed is None
        self._folder = Path(handed[FOLDER] if handed else f"{gettempdir()}/discovery-exports-tests-{uuid4().hex[:12]}")
        self._shared, self._apart = (
            LocalAws(self._folder / name, bound=self._owns, say=self.say) for name in ("shared", "apart")
        )
        self._ours: LocalAws | None = None

    def up(self) -> LocalAws:
        """This process's local AWS with the stack deployed; it is deployed once, whichever processes ask."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        aws = self._ours or self._shared
        # Written last: another process may be at deploying, and `up` waits for it.
        if not (aws.state.env.exists() and aws.running):
            self.say("\nThe tests of the deployed stack need a local AWS: this takes about 20 seconds.")
            aws.up()
        return aws

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

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The first test that may use a local AWS decides which one this process uses."""
        if self._ours is None and "aws" in getattr(item, "fixturenames", ()):
            self._ours = self._apart if item.get_closest_marker("alone") else self._shared

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker is about to start: it may die at any time, so the guards are this process's."""
        node.workerinput[FOLDER] = str(self._folder)
        self._shared.guard()
        self._apart.guard()

    def pytest_unconfigure(self) -> None:
        if self._owns:
            self._shared.down()
            self._apart.down()
            shutil.rmtree(self._folder, ignore_errors=True)
