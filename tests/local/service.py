"""Application Discovery Service as the double plays it for the tests: exports that are there, and what was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import urllib3

from local.aws import LocalAws
from local.double.client import Double

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient


class Service:
    """Every test has exports of its own here, so that tests can run beside each other."""

    def __init__(self, aws: LocalAws) -> None:
        self.double = Double(aws.instance.discovery, aws.state.bundle)
        self._client: ApplicationDiscoveryServiceClient = aws.client("discovery")
        self._http = urllib3.PoolManager(ca_certs=str(aws.state.bundle), retries=False, timeout=30.0)

    def has(self, **script: object) -> str:
        """There is an export, finished unless scripted otherwise; its id. Members: `local.double.script`."""
        return self.double.add(script)[0]

    def has_many(self, count: int, **each: object) -> list[str]:
        return self.double.add_many(count, each)

    def starts(self, agent_id: str, **script: object) -> str:
        """What a pipeline does: StartExportTask for an agent; the id that it answers. No other test may start one."""
        self.double.script(script)
        filters: Any = [{"name": "agentIds", "condition": "EQUALS", "values": [agent_id]}]
        return self._client.start_export_task(exportDataFormat=["CSV"], filters=filters)["exportId"]

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

    def link(self, export_id: str) -> str:
        return str(self.described(export_id)["configurationsDownloadUrl"])

    def download(self, export_id: str) -> bytes:
        """The bytes behind the export's link; it counts as a GET like any other."""
        answer = self._http.request("GET", self.link(export_id), decode_content=False)
        assert answer.status == 200
        return answer.data

    def gets(self, *export_ids: str) -> int:
        """How many GETs of these exports' links there were, or of all links."""
        return self.double.gets(export_ids or None)

    def sent(self, export_id: str) -> int:
        """How many bytes of the export were downloaded, again and again included."""
        return int(self.double.counts()["exports"][export_id]["bytes"])

    def calls(self) -> int:
        """How often DescribeExportTasks was called, by whomever, whatever it answered."""
        return int(self.double.counts()["calls"].get("DescribeExportTasks", 0))

    def errors(self, code: str) -> int:
        """How many calls it has answered with the error."""
        return int(self.double.counts()["errors"].get(code, 0))
