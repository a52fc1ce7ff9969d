"""The local AWS of a test session, shared by all processes except those whose tests disturb others."""

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
    """A pytest plugin. The first process that needs a local AWS starts it, whether the main process or a worker.

    Each process that begins with tests marked ``alone`` has its own local AWS, so that these tests and all others do
    not wait for each other. All other processes share one. Without workers, one local AWS serves all tests.

    The main process chooses the folder for all processes, and stops everything at its end. If it dies earlier, a guard
    that waits for its end does the same.
    """

    def __init__(self, config: pytest.Config) -> None:
        given: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._config = config
        self._owns = given is None
        self._folder = Path(given[FOLDER] if given else f"{gettempdir()}/discovery-exports-tests-{uuid4().hex[:12]}")
        self._shared = self._local_aws("shared")
        self._separate = self._local_aws(given["workerid"] if given else "separate")
        self._all = [self._shared, self._separate]
        self._chosen: LocalAws | None = None

    def _local_aws(self, name: str) -> LocalAws:
        return LocalAws(self._folder / name, bound=self._owns, say=self.say)

    def up(self) -> LocalAws:
        """The local AWS of this process with the stack, which the first process deploys."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        aws = self._chosen or self._shared
        # `env` is written last: another process may still be deploying, and `up` waits for it.
        if not (aws.state.env.exists() and aws.running):
            self.say("\nStarting a local AWS for the tests of the deployed stack. This takes about 20 seconds.")
            aws.up()
        return aws

    @property
    def marker(self) -> str:
        """A text in every download URL of this session, which must not occur anywhere else."""
        return f"canary-{self._folder.name.rpartition('-')[2]}"

    def say(self, line: str) -> None:
        """Print a line on the terminal, past pytest's capture. A worker has a terminal on standard error only."""
        capture: Any = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(line, file=sys.stderr, flush=True)

    # --- hooks of pytest and pytest-xdist ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """The first test that may use a local AWS decides which one this process uses."""
        if self._chosen is None and "aws" in getattr(item, "fixturenames", ()):
            self._chosen = self._separate if item.get_closest_marker("alone") else self._shared

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Start the guards in this process before a worker starts, because the worker may die at any time."""
        node.workerinput[FOLDER] = str(self._folder)
        self._all.append(self._local_aws(node.workerinput["workerid"]))
        for aws in self._all:
            aws.guard()

    def pytest_unconfigure(self) -> None:
        if self._owns:
            for aws in self._all:
                aws.down()
            shutil.rmtree(self._folder, ignore_errors=True)
