"""This project's own code, as a function of the stack calls it."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from boto3.session import Session

from benchmarks.contestants.job import BUCKET, Job
from exports.archive import Archive, s3_client
from exports.connections import tls_context
from exports.links import Download
from exports.model import RawObject
from exports.retries import Patience
from exports.transfer import copy
from exports.uploads import Upload

OWNER = "111122223333"


class Unfinished(Exception):
    """The copy is to be gone on with."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Stands for the catalog: what is kept of an upload while it may be gone on with."""

    path: str

    def remember(self, upload: Upload) -> None:
        if self.path:
            draft = Path(self.path + ".new")
            draft.write_text(json.dumps(asdict(upload)))
            draft.replace(self.path)

    def known(self) -> Upload | None:
        kept = Path(self.path) if self.path else None
        return Upload(**json.loads(kept.read_text())) if kept and kept.exists() else None


def ready(job: Job) -> Callable[[str], None]:
    patience = Patience(base_seconds=job.pause_seconds)
    context = tls_context(job.certificates)
    archive = Archive(s3_client(Session()), bucket=BUCKET, owner=OWNER, patience=patience)
    memory = Memory(job.memory)

    def copy_one(name: str) -> None:
        source = Download(job.link(name), renew=lambda: None, hosts=["localhost:*"], context=context, patience=patience)
        copied = copy(
            source,
            archive,
            key=lambda extension: name,
            known=memory.known(),
            remember=memory.remember,
            patience=patience,
        )
        if not isinstance(copied, RawObject):
            raise Unfinished

    return copy_one
