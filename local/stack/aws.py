"""The local AWS with the stack deployed to it: ``python -m local.stack.aws up|down``, or :class:`LocalAws` in code.

MiniStack and the double of Application Discovery Service run in the background until they are stopped. All files of a
local AWS are in one folder, so that several can run at the same time.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.session
from botocore.config import Config

from local.stack import ministack
from local.stack.certificate import PUBLIC, make_certificate, write_bundle
from local.stack.deployment import CONTEXT, Cdk, fingerprint
from local.stack.environment import ACCESS_KEY, REGION, CallerEnvironment, client_environment, env_file, inherited
from local.stack.errors import LocalAwsFailed
from local.stack.servers import MINISTACK_PYTHON, ROOT, is_healthy, start_double, start_ministack
from local.stack.state import Instance, State

__all__ = ["STATE", "LocalAws", "LocalAwsFailed"]

STATE = ROOT / ".local"
CDK_PROGRAM = ROOT / "node_modules" / ".bin" / "cdk"


def _print_now(line: str) -> None:
    print(line, flush=True)


class LocalAws:
    """A local AWS with its files in ``state`` and the CDK app in ``app`` deployed to it.

    As a context manager it starts, and stops at the end of the block. With ``bound``, it also stops when this process
    ends in any way. ``context`` has context values in addition to those that make waits short. ``lambda_quota`` is the
    account's quota of concurrent invocations of functions.
    """

    def __init__(
        self,
        state: Path = STATE,
        *,
        app: Path = ROOT,
        context: Mapping[str, str] | None = None,
        preset: CallerEnvironment | None = None,
        lambda_quota: int | None = None,
        bound: bool = False,
        say: Callable[[str], None] = _print_now,
    ) -> None:
        self.state = State(state)
        self._app = app.absolute()
        self._context = {**CONTEXT, **(context or {})}
        self._preset = preset or CallerEnvironment()
        self._lambda_quota = lambda_quota
        self._bound = bound
        self._say = say
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    # --- lifecycle ---

    def up(self) -> None:
        """Start it, or deploy the current app to the running one. One that is not usable is replaced."""
        started = time.monotonic()
        with self.state.locked():
            if instance := self._usable():
                self._say(f"The local AWS is already running at {instance.endpoint}")
                write_bundle(self.state.bundle, [self.state.bundle, *self._preset.certificates])
                self._deploy(instance)
            else:
                self._start()
        self._say(f"The local AWS is ready after {time.monotonic() - started:.0f} s")

    def down(self) -> bool:
        """Stop every process and delete all data. Returns whether there was anything to stop."""
        try:
            return self.state.folder.exists() and self._down()
        finally:
            self._stop_guard()

    def guard(self) -> None:
        """From now on, stop the local AWS when this process ends in any way.

        Another process waits for the end: its input, to which this process writes nothing, then closes.
        """
        if self._guard:
            return
        down = [sys.executable, "-m", "local.stack.aws", "down", "--state", str(self.state.folder)]
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", 'cat >/dev/null; exec "$@"', "guard", *down],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether all processes are alive and all servers answer."""
        instance = self.state.load()
        return instance is not None and is_healthy(self.state, instance)

    # --- use ---

    def deploy_beside(self, context: Mapping[str, str], outputs: Path) -> None:
        """Deploy the app again with other context values: as another stack, if ``stackId`` is one of them."""
        self._cdk().deploy({**self._context, **context}, outputs)

    def destroy_beside(self, context: Mapping[str, str]) -> None:
        """Destroy what ``deploy_beside`` deployed with these context values."""
        self._cdk().destroy({**self._context, **context})

    @property
    def instance(self) -> Instance:
        if instance := self.state.load():
            return instance
        raise LocalAwsFailed(f"No local AWS is running in {self.state.folder}: `make local` starts one.")

    @property
    def env(self) -> dict[str, str]:
        """The variables that ``.local/env`` exports."""
        instance = self.instance
        return client_environment(
            instance.endpoint,
            instance.discovery,
            secret=instance.secret,
            bundle=self.state.bundle,
            own_double=instance.own_double,
            environ=os.environ,
        )

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name."""
        stacks = json.loads(self.state.outputs.read_text())
        return {name: value for outputs in stacks.values() for name, value in outputs.items()}

    def client(self, service: str, *, account: str = ACCESS_KEY) -> Any:
        """A boto3 client of the local AWS that ignores the environment. An ``account`` of 12 digits is that account."""
        instance = self.instance
        connect: Any = _session().client  # the stubs have no type for a service name in a variable
        return connect(
            service,
            aws_access_key_id=account,
            aws_secret_access_key=instance.secret,
            endpoint_url=instance.discovery if service == "discovery" else instance.endpoint,
            verify=str(self.state.bundle),
            config=Config(proxies={}, signature_version="s3v4" if service == "s3" else None),
        )

    # --- start ---

    def _usable(self) -> Instance | None:
        """The running instance, if it is healthy and uses the service that the caller has set."""
        instance = self.state.load()
        if instance is None:
            return None
        if not self.running or not instance.bootstrapped:
            self._say("The local AWS is not healthy: starting a new one.")
            return None
        if self._preset.service not in (None, instance.discovery):
            self._say(f"The local AWS uses {instance.discovery} instead of {self._preset.service}: starting a new one.")
            return None
        return instance

    def _start(self) -> None:
        """Start everything and deploy. A failure leaves the logs, but no process."""
        self._check_setup()
        self._clear()
        self.state.make_work()
        if self._bound:
            self.guard()
        try:
            self._deploy(self._start_all())
        except BaseException:
            self._stop_processes()
            raise

    def _start_all(self) -> Instance:
        port, double_port = ministack.free_ports(2)
        discovery = self._preset.service or f"https://localhost:{double_port}/{token_hex(16)}"
        make_certificate(self.state.certificate, self.state.key)
        write_bundle(self.state.bundle, [self.state.certificate, PUBLIC, *self._preset.certificates])
        instance = self.state.save(Instance(port, token_hex(32), discovery, own_double=not self._preset.service))

        self._say(f"Starting MiniStack at {instance.endpoint}")
        instance = start_ministack(self.state, instance, lambda_quota=self._lambda_quota)
        if instance.own_double:
            self._say(f"Starting the double of Application Discovery Service at https://localhost:{double_port}")
            instance = start_double(self.state, instance, double_port, self.env)
        self._say("Preparing the account (cdk bootstrap)")
        self._cdk().bootstrap()
        return self.state.save(replace(instance, bootstrapped=True))

    def _deploy(self, instance: Instance) -> None:
        now = fingerprint(self._app, self._context)
        if instance.deployed == now and self.state.env.exists() and self.state.outputs.exists():
            return
        self._say("Deploying the stack (cdk deploy)")
        self._cdk().deploy(self._context, self.state.outputs)
        self.state.write_env(env_file(self.env))
        self.state.save(replace(instance, deployed=now))

    def _cdk(self) -> Cdk:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        missing_file = str(self.state.work / "no-profiles")
        profiles = {"AWS_CONFIG_FILE": missing_file, "AWS_SHARED_CREDENTIALS_FILE": missing_file}
        env = {**inherited(os.environ), **self.env, **profiles, "PATH": path}
        return Cdk(CDK_PROGRAM, self._app, env=env, work=self.state.work)

    def _check_setup(self) -> None:
        for program in (MINISTACK_PYTHON, CDK_PROGRAM):
            if not program.exists():
                raise LocalAwsFailed(f"{program.relative_to(ROOT)} is missing: `make local` installs it.")

    # --- stop ---

    def _down(self) -> bool:
        with self.state.locked():
            found = self._clear()
            self.state.remove_folder()
        return found

    def _clear(self) -> bool:
        found = self._stop_processes()
        self.state.forget()
        return found

    def _stop_processes(self) -> bool:
        instance = self.state.load()
        for process in instance.processes if instance else ():
            process.end()
        return instance is not None

    def _stop_guard(self) -> None:
        if self._guard:
            os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.communicate()
            self._guard = None


def _session() -> boto3.Session:
    """A session without the caller's profiles. A profile that is set but does not exist would be an error."""
    no_file = (None, None, os.devnull, None)
    isolated = botocore.session.Session({"profile": (None,) * 4, "config_file": no_file, "credentials_file": no_file})
    return boto3.Session(botocore_session=isolated, region_name=REGION)


# --- the command ---


def clean_up_when_ended() -> None:
    """Clean up on SIGTERM and SIGHUP (a closed terminal) as on Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, _: sys.exit(128 + signum))


def main() -> int:
    """Run the command. A failure is printed as a message without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m local.stack.aws", description="Start or stop the local AWS.")
    parser.add_argument("command", choices=("up", "down"), help="up: start and deploy; down: stop and delete data")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the local AWS (default: .local)")
    arguments = parser.parse_args()
    clean_up_when_ended()
    try:
        return _up(arguments.state) if arguments.command == "up" else _down(arguments.state)
    except LocalAwsFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _up(state: Path) -> int:
    aws = LocalAws(state, preset=CallerEnvironment.of(os.environ))
    aws.up()
    print(f"To use it:  . {_shown(aws.state.env)}      stack outputs: {_shown(aws.state.outputs)}")
    print("To stop it: make local-stop")
    return 0


def _down(state: Path) -> int:
    aws = LocalAws(state)
    if aws.state.folder.exists():
        print("Stopping the local AWS. This can take some seconds.", flush=True)
    print("The local AWS has stopped." if aws.down() else "No local AWS was running.")
    return 0


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


if __name__ == "__main__":
    sys.exit(main())
