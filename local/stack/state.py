"""The files of a local AWS, with which later commands find, use and stop it."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from local.stack.certificate import ADDRESS
from local.stack.errors import LocalAwsFailed
from local.stack.processes import Process


@dataclass(frozen=True, slots=True)
class Instance:
    """One local AWS: its endpoints, its processes, and a fingerprint of the app that is deployed to it.

    ``secret`` is that of its root keys. ``discovery`` is the endpoint of the service; that of our double has a token.
    """

    port: int
    secret: str
    discovery: str
    own_double: bool
    processes: tuple[Process, ...] = ()
    bootstrapped: bool = False
    deployed: str | None = None

    @property
    def endpoint(self) -> str:
        """Has the address: with a name, an SDK resolves ``<bucket>.localhost``, which not every machine can."""
        return f"https://{ADDRESS}:{self.port}"

    def with_process(self, process: Process) -> "Instance":
        """A copy with one more process."""
        return replace(self, processes=(*self.processes, process))


class State:
    """A folder with ``env`` and ``outputs.json`` for users, and ``aws/`` for internal files.

    ``env`` and ``aws/`` have the secrets of the local AWS, so no other user of the computer can read them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.env = self.folder / "env"
        self.outputs = self.folder / "outputs.json"
        self.work = self.folder / "aws"
        self.certificate = self.work / "certificate.pem"
        self.key = self.work / "key.pem"
        self.bundle = self.work / "trusted.pem"
        self._record = self.work / "instance.json"
        self._lock = self.folder / "lock"

    def log(self, name: str) -> Path:
        return self.work / f"{name}.log"

    def load(self) -> Instance | None:
        """The saved instance, or None if there is none or it cannot be read."""
        try:
            values = json.loads(self._record.read_text())
            return Instance(**values | {"processes": tuple(Process(**process) for process in values["processes"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, instance: Instance) -> Instance:
        """Write the record atomically: a reader never sees a part of it."""
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(asdict(instance), indent=2) + "\n")
        draft.replace(self._record)
        return instance

    def make_work(self) -> None:
        """Create the folder of internal files."""
        self.work.mkdir(mode=0o700)

    def write_env(self, text: str) -> None:
        """Write ``env`` as a new file, so that an earlier one with another mode is not used."""
        self.env.unlink(missing_ok=True)
        self.env.touch(mode=0o600, exist_ok=False)
        self.env.write_text(text)

    def forget(self) -> None:
        """Delete our own files. Other files in the folder stay."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.env.unlink(missing_ok=True)
        self.outputs.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Allow one command at a time. The lock is released when the process ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def only_one(self, name: str) -> Iterator[None]:
        """Raise LocalAwsFailed if another process holds this lock. It is released when the process ends."""
        with (self.work / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalAwsFailed(f"another {name} runs on this local AWS: wait for its end.") from None
            yield

    def remove_folder(self) -> None:
        """Remove the folder if it has no other files."""
        self._lock.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
