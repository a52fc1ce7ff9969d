"""Copies and unpacks an export within one invocation, from its download URL to the bucket, and publishes its tables."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Self

from exports.download.connections import tls_context
from exports.download.download import Download
from exports.keys import Keys
from exports.model import Export, RawObject
from exports.outcomes.rows import Records
from exports.retry import RetryPolicy
from exports.runs import Service, Unfinished
from exports.s3.bucket import Bucket
from exports.s3.multipart import WORKERS, Upload
from exports.settings import Settings
from exports.transfer.copying import copy
from exports.unpack.members import Limits
from exports.unpack.publishing import publish_tables
from exports.unpack.unpacking import Unpacked, Unpacker, write_table_again

SHUTDOWN_MARGIN = timedelta(seconds=30)
"""Reserved at the end of an invocation, whatever the budget, to write the manifest, the item and the event."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Copies, unpacks and publishes within the limits of the stack's settings.

    Starts no part, member or table after ``time_left()`` seconds. Stops within one after ``invocation_time_left()``.
    """

    service: Service
    bucket: Bucket
    records: Records
    settings: Settings
    time_left: Callable[[], float]
    invocation_time_left: Callable[[], float]

    @classmethod
    def for_invocation(
        cls, settings: Settings, service: Service, bucket: Bucket, records: Records, time_left: timedelta
    ) -> Self:
        """For an invocation that Lambda ends in ``time_left``; the store budget is usually far shorter."""
        invocation_ends = time.monotonic() + (time_left - SHUTDOWN_MARGIN).total_seconds()
        budget_ends = min(invocation_ends, time.monotonic() + settings.store_budget.total_seconds())
        return cls(
            service,
            bucket,
            records,
            settings,
            time_left=lambda: budget_ends - time.monotonic(),
            invocation_time_left=lambda: invocation_ends - time.monotonic(),
        )

    @property
    def limits(self) -> Limits:
        settings = self.settings
        return Limits(settings.max_files, settings.max_file_bytes, settings.max_total_bytes, settings.max_ratio)

    def copy(self, export: Export, keys: Keys, known: Upload | None) -> RawObject | Unfinished:
        """Copy the bytes at the export's download URL to its raw key, or as much of them as the time allows.

        A different object at the key is replaced once the upload is complete. That is safe: no manifest names it, and
        no other run writes while the export is claimed. Such an object was rejected or is from a killed invocation.
        """
        retry_policy = RetryPolicy(time_left=self.time_left)
        source = Download(
            export.download_url or "",
            refresh_url=partial(self._fresh_url, export.id),
            hosts=self.settings.download_hosts,
            context=tls_context(self.settings.ca_bundle),
            connections=WORKERS,
            retry_policy=retry_policy,
        )
        return copy(
            source,
            self.bucket.with_retry_policy(retry_policy, overwrite=True),
            key=keys.raw,
            known=known,
            save_progress=lambda upload: self.records.save_progress(export.id, upload=upload),
            retry_policy=retry_policy,
            max_bytes=self.limits.max_total_bytes,
        )

    def unpack(self, raw: RawObject, keys: Keys) -> Unpacked | Unfinished:
        """Store each member of the raw object, or as many of them as the time allows."""
        return Unpacker(
            raw=raw,
            keys=keys,
            bucket=self.bucket,
            limits=self.limits,
            time_left=self.time_left,
            invocation_time_left=self.invocation_time_left,
            tables_from=self.settings.tables_from,
            custom_datasets=self.settings.datasets,
        ).run()

    def publish_tables(self, manifest: Mapping[str, Any], keys: Keys) -> Unfinished | None:
        """Make the tables visible that the manifest names, or as many as the time allows, if the stack has tables."""
        if not self.settings.tables_from:
            return None
        return publish_tables(
            manifest,
            keys=keys,
            bucket=self.bucket,
            write_table=partial(write_table_again, keys=keys, custom_datasets=self.settings.datasets),
            time_left=self.time_left,
            invocation_time_left=self.invocation_time_left,
        )

    def _fresh_url(self, export_id: str) -> str | None:
        export = self.service.describe([export_id]).get(export_id)
        return export.download_url if export else None
