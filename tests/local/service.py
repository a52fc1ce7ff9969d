"""The test double of Application Discovery Service: its exports, its settings, and the counts of requests."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import urllib3

from local.double.client import Double
from local.double.downloads import ACCOUNT
from local.stack.aws import LocalAws

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient
    from mypy_boto3_s3 import S3Client


class Service:
    """Each test adds its own exports, so that tests can run at the same time."""

    def __init__(self, aws: LocalAws, marker: str) -> None:
        self.double = Double(aws.instance.discovery, aws.state.bundle)
        self._client: ApplicationDiscoveryServiceClient = aws.client("discovery")
        self._other_account: S3Client = aws.client("s3", account=ACCOUNT)
        self._marker = marker
        self._http = urllib3.PoolManager(ca_certs=str(aws.state.bundle), retries=False, timeout=300.0)

    def reset(self) -> None:
        """Remove all exports and scenarios, and reset agents and settings; later URLs have the marker, too."""
        self.double.reset()
        self.double.settings(marker=self._marker)

    def has(self, **scenario: object) -> str:
        """Add an export, finished by default, and return its id. Members: `local.double.scenario`."""
        return self.double.add(scenario)[0]

    def has_body(self, body: bytes, **scenario: object) -> str:
        """Add an export with these bytes at its download URL, in a bucket of another account, and return its id."""
        location: Any = {"Bucket": "other-account", "Key": f"{self._marker}/{uuid.uuid4()}.zip"}
        with suppress(self._other_account.exceptions.BucketAlreadyOwnedByYou):
            self._other_account.create_bucket(Bucket=location["Bucket"])
        self._other_account.put_object(**location, Body=body)
        url = self._other_account.generate_presigned_url("get_object", Params=location)
        return self.has(download_url=url, **scenario)

    def has_many(self, count: int, **each: object) -> list[str]:
        return self.double.add_many(count, each)

    def start_export(self, agent_id: str, **scenario: object) -> str:
        """Call StartExportTask for an agent, as a pipeline does, and return the id. No other test may start one."""
        self.double.set_scenarios(scenario)
        filters: Any = [{"name": "agentIds", "condition": "EQUALS", "values": [agent_id]}]
        return self._client.start_export_task(exportDataFormat=["CSV"], filters=filters)["exportId"]

    @contextmanager
    def with_unfinished(self, *scenarios: Mapping[str, object]) -> Iterator[list[str]]:
        """Add exports with these scenarios, which finish after the block, so that no later sweep waits for them."""
        export_ids = self.double.add(*scenarios)
        try:
            yield export_ids
        finally:
            for export_id in export_ids:
                self.set_scenario(export_id)

    def set_scenario(self, export_id: str, **scenario: object) -> None:
        """Replace the scenario of the export, or add an export with this id."""
        self.double.add({"export_id": export_id, **scenario})

    @contextmanager
    def with_settings(self, **settings: object) -> Iterator[None]:
        """Change settings of the service during the block, for all callers."""
        before = self.double.settings()
        self.double.settings(**settings)
        try:
            yield
        finally:
            self.double.settings(**{name: before[name] for name in settings})

    def described(self, export_id: str) -> dict[str, Any]:
        """ExportInfo as the service returns it to any caller."""
        (info,) = self._client.describe_export_tasks(exportIds=[export_id])["exportsInfo"]
        return dict(info)

    def download_url(self, export_id: str) -> str:
        return str(self.described(export_id)["configurationsDownloadUrl"])

    def download(self, export_id: str) -> bytes:
        """The bytes at the export's download URL; this counts as a GET."""
        response = self._http.request("GET", self.download_url(export_id), decode_content=False)
        assert response.status == 200
        return response.data

    def etag(self, export_id: str) -> str:
        """The ETag at the export's download URL; this counts as a GET."""
        return self._http.request("GET", self.download_url(export_id), headers={"Range": "bytes=0-0"}).headers["ETag"]

    def gets(self, *export_ids: str) -> int:
        """The number of GETs of the download URLs of these exports, or of all exports."""
        return self.double.gets(export_ids or None)

    def sent(self, export_id: str) -> int:
        """The number of downloaded bytes of the export, including repeated downloads."""
        return int(self.double.counts()["exports"][export_id]["bytes"])

    def calls(self) -> int:
        """The number of calls of DescribeExportTasks, of all callers and with any result."""
        return int(self.double.counts()["calls"].get("DescribeExportTasks", 0))
