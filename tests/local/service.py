"""Application Discovery Service as the double plays it for the tests: exports that are there, and what was asked."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import urllib3

from local.double.client import Double
from local.double.export_bucket import ACCOUNT
from local.stack.aws import LocalAws

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient
    from mypy_boto3_s3 import S3Client


class Service:
    """Every test has exports of its own here, so that tests can run beside each other."""

    def __init__(self, aws: LocalAws, marker: str) -> None:
        self.double = Double(aws.instance.discovery, aws.state.bundle)
        self._client: ApplicationDiscoveryServiceClient = aws.client("discovery")
        self._elsewhere: S3Client = aws.client("s3", account=ACCOUNT)
        self._marker = marker
        self._http = urllib3.PoolManager(ca_certs=str(aws.state.bundle), retries=False, timeout=300.0)

    def has(self, **script: object) -> str:
        """There is an export, finished unless scripted otherwise; its id. Members: `local.double.scenario`."""
        return self.double.add(script)[0]

    def has_body(self, body: bytes) -> str:
        """There is an export whose link, to a bucket of somebody else's, leads to these bytes; its id."""
        place: Any = {"Bucket": "somebody-elses", "Key": f"{self._marker}/{uuid.uuid4()}.zip"}
        with suppress(self._elsewhere.exceptions.BucketAlreadyOwnedByYou):
            self._elsewhere.create_bucket(Bucket=place["Bucket"])
        self._elsewhere.put_object(**place, Body=body)
        return self.has(download_url=self._elsewhere.generate_presigned_url("get_object", Params=place))

    def has_many(self, count: int, **each: object) -> list[str]:
        return self.double.add_many(count, each)

    def starts(self, agent_id: str, **script: object) -> str:
        """What a pipeline does: StartExportTask for an agent; the id that it answers. No other test may start one."""
        self.double.set_scenarios(script)
        filters: Any = [{"name": "agentIds", "condition": "EQUALS", "values": [agent_id]}]
        return self._client.start_export_task(exportDataFormat=["CSV"], filters=filters)["exportId"]

    @contextmanager
    def never_done(self, *scripts: Mapping[str, object]) -> Iterator[list[str]]:
        """There are exports that go so for the block, and then like any other: no later sweep has to wait for them."""
        export_ids = self.double.add(*scripts)
        try:
            yield export_ids
        finally:
            for export_id in export_ids:
                self.now_plays(export_id)

    def now_plays(self, export_id: str, **script: object) -> None:
        """From now on the export goes so."""
        self.double.add({"export_id": export_id, **script})

    @contextmanager
    def behaving(self, **settings: object) -> Iterator[None]:
        """The service behaves so for the block, to everybody."""
        usual = self.double.settings()
        self.double.settings(**settings)
        try:
            yield
        finally:
            self.double.settings(**{name: usual[name] for name in settings})

    def described(self, export_id: str) -> dict[str, Any]:
        """ExportInfo as the service tells it to anybody who may ask."""
        (info,) = self._client.describe_export_tasks(exportIds=[export_id])["exportsInfo"]
        return dict(info)

    def download_url(self, export_id: str) -> str:
        return str(self.described(export_id)["configurationsDownloadUrl"])

    def download(self, export_id: str) -> bytes:
        """The bytes behind the export's link; it counts as a GET like any other."""
        answer = self._http.request("GET", self.download_url(export_id), decode_content=False)
        assert answer.status == 200
        return answer.data

    def etag(self, export_id: str) -> str:
        """Of the bytes behind the export's link; it counts as a GET like any other."""
        return self._http.request("GET", self.download_url(export_id), headers={"Range": "bytes=0-0"}).headers["ETag"]

    def gets(self, *export_ids: str) -> int:
        """How many GETs of these exports' links there were, or of all links."""
        return self.double.gets(export_ids or None)

    def sent(self, export_id: str) -> int:
        """How many bytes of the export were downloaded, again and again included."""
        return int(self.double.counts()["exports"][export_id]["bytes"])

    def calls(self) -> int:
        """How often DescribeExportTasks was called, by whomever, whatever it answered."""
        return int(self.double.counts()["calls"].get("DescribeExportTasks", 0))
