"""Builders with defaults for what the domain's tests arrange."""

from datetime import UTC, datetime, timedelta
from typing import Any

from exports.model import Export
from exports.rows import Row
from exports.runs import Batch

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGNED = "https://prod-exports.s3.us-west-2.amazonaws.com/key.zip?X-Amz-Signature=s3cr3t"


def export(export_id: str = "export-1", status: str = "SUCCEEDED", *, age_minutes: float = 30, **more: Any) -> Export:
    requested_at = NOW - timedelta(minutes=age_minutes)
    link = SIGNED if status == "SUCCEEDED" else None
    return Export(
        **{"id": export_id, "status": status, "status_message": "", "requested_at": requested_at, "link": link, **more}
    )


def batch(*export_ids: str, **more: Any) -> Batch:
    asked = {"started_at": NOW - timedelta(minutes=1), "deadline": NOW + timedelta(hours=12), "retries_rejected": True}
    return Batch(**{"run_id": "run-1", "number": 1, "export_ids": export_ids, **asked, **more})


def row(export_id: str = "export-1", status: str = "STORED", **attributes: Any) -> Row:
    return Row({"exportId": export_id, "status": status, "announcedAt": "2026-11-23T11:00:00.000Z", **attributes})
