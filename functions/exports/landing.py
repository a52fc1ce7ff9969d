"""What moves an export's bytes within one call: the link, the bucket, and the time that the call has."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Self

from exports.archive import Archive
from exports.connections import tls_context
from exports.links import Download
from exports.members import Limits
from exports.model import Export, Keys, RawObject
from exports.retries import Patience
from exports.rows import Records
from exports.runs import Service
from exports.settings import Settings
from exports.transfer import copy
from exports.unpack import Unpacked, unpack
from exports.uploads import Unfinished, Upload

RESERVE = timedelta(seconds=30)
"""Left of a call when its work stops, whatever the budget: enough to write the manifest, the row and the event."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Copies and unpacks with what the stack's settings allow.

    Nothing is begun once ``time_left()`` seconds are over, and no member goes on once ``call_left()`` seconds are.
    """

    service: Service
    bucket: Archive
    records: Records
    settings: Settings
    time_left: Callable[[], float]
    call_left: Callable[[], float]

    @classmethod
    def within(
        cls, settings: Settings, service: Service, bucket: Archive, records: Records, time_left: timedelta
    ) -> Self:
        """For a call that Lambda ends in ``time_left``; its budget is usually far shorter."""
        call_ends = time.monotonic() + (time_left - RESERVE).total_seconds()
        budget_ends = min(call_ends, time.monotonic() + settings.store_budget.total_seconds())
        return cls(
            service,
            bucket,
            records,
            settings,
            time_left=lambda: budget_ends - time.monotonic(),
            call_left=lambda: call_ends - time.monotonic(),
        )

    @property
    def limits(self) -> Limits:
        told = self.settings
        return Limits(told.max_files, told.max_file_bytes, told.max_total_bytes, told.max_ratio)

    def copy(self, export: Export, keys: Keys, known: Upload | None) -> RawObject | Unfinished:
        """Land the bytes behind the export's link at its raw key, or as much of them as the time allows.

        Other bytes that lie there make room once all of these are there: no manifest names them, and nobody else writes
        while the export is claimed. The service may give other bytes than those that were rejected, or that a killed
        call left.
        """
        patience = Patience(time_left=self.time_left)
        source = Download(
            export.link or "",
            renew=partial(self._fresh_link, export.id),
            hosts=self.settings.download_hosts,
            context=tls_context(self.settings.ca_bundle),
            patience=patience,
        )
        return copy(
            source,
            self.bucket.within(patience, replaces=True),
            key=keys.raw,
            known=known,
            remember=lambda upload: self.records.remember(export.id, upload=upload),
            patience=patience,
            max_bytes=self.limits.max_total_bytes,
        )

    def unpack(self, raw: RawObject, keys: Keys) -> Unpacked | Unfinished:
        """Store each member of the raw object, or as many of them as the time allows."""
        return unpack(
            raw,
            keys=keys,
            archive=self.bucket,
            limits=self.limits,
            time_left=self.time_left,
            call_left=self.call_left,
            with_tables=bool(self.settings.database),
            added=self.settings.datasets,
        )

    def _fresh_link(self, export_id: str) -> str | None:
        export = self.service.describe([export_id]).get(export_id)
        return export.link if export else None
