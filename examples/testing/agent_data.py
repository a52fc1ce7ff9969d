"""A program that could be yours: exports the data of an agent, and waits for it. ``test_agent_data.py`` tests it."""

import csv
import io
import time
import urllib.error
import urllib.request
import zipfile
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

Rows = list[dict[str, str]]


class ExportFailed(Exception):
    """The service failed the export. The message is that of the service."""


class ExportTruncated(Exception):
    """The export does not have all data of its range."""


def agent_data(agent_id: str, *, wait_seconds: float = 30, polls: int = 120) -> dict[str, Rows]:
    """The rows of each CSV file of a new export of the agent. Raises ExportFailed, ExportTruncated, TimeoutError."""
    client = boto3.client("discovery")
    filters = [{"name": "agentIds", "condition": "EQUALS", "values": [agent_id]}]
    export_id = client.start_export_task(filters=filters)["exportId"]  # type: ignore[arg-type]
    for _ in range(polls):
        url = download_url(client, export_id)
        if url and (data := download(url)):
            return rows_of(data)
        time.sleep(wait_seconds)
    raise TimeoutError(f"{export_id} is not finished")


def download_url(client: "ApplicationDiscoveryServiceClient", export_id: str) -> str | None:
    """A new URL of the export, or None if it is not finished, or not listed yet."""
    for export in client.describe_export_tasks(exportIds=[export_id])["exportsInfo"]:
        if export["exportStatus"] == "FAILED":
            raise ExportFailed(export["statusMessage"])
        if export.get("isTruncated"):
            raise ExportTruncated(export_id)
        if export["exportStatus"] == "SUCCEEDED":
            return export.get("configurationsDownloadUrl")
    return None


def download(url: str) -> bytes | None:
    """The bytes, or None if the URL has expired."""
    try:
        with urllib.request.urlopen(url) as response:  # noqa: S310  # an https URL of the service
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        if error.code == 403:
            return None
        raise


def rows_of(data: bytes) -> dict[str, Rows]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        return {name: list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))) for name in names}
