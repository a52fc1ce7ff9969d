"""Copies from a download URL into SeaweedFS: what is stored, resumed, accepted and replaced."""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from exports.download.download import Download
from exports.model import RawObject
from exports.runs import Unfinished
from exports.s3.bucket import Bucket, ObjectConflict
from exports.s3.crc32 import to_base64
from exports.s3.multipart import MIB, Upload
from exports.transfer.copying import copy
from tests.faults.copying import Certificate, session
from tests.judges.servers import BUCKET
from tests.loopback.content import Content
from tests.loopback.source import SourceServer, Style
from tests.unit.fakes import FakeClock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "raw/export.csv"
IN_PARTS = 22 * MIB
"""Bytes of a file that is copied in five parts."""


def body_of(content: Content) -> bytes:
    return b"".join(content[at : at + MIB] for at in range(0, len(content), MIB))


@dataclass
class Copying:
    """Copies ``source`` into SeaweedFS, one part at a time so that every test knows what was sent before it ended."""

    client: "S3Client"
    source: SourceServer
    certificate: Certificate
    remembered: list[Upload] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    """Numbers of the parts that SeaweedFS took."""
    urls: list[str] = field(default_factory=list)
    """Download URLs that a refresh finds, in order."""

    def __post_init__(self) -> None:
        self.client.meta.events.register("provide-client-params.s3.UploadPart", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.sent.append(params["PartNumber"])

    def run(
        self, *, known: Upload | None = None, parts: float = math.inf, overwrite: bool = False, url: str | None = None
    ) -> RawObject | Unfinished:
        """One call, whose time is over once it has begun ``parts`` parts."""
        last = len(self.sent) + parts
        policy = FakeClock().retry_policy(time_left=lambda: 1000.0 if len(self.sent) < last else 0.0)
        bucket = Bucket(self.client, bucket=BUCKET, owner="123456789012")
        return copy(
            Download(
                url or self.source.download_url,
                refresh_url=lambda: self.urls.pop(0),
                hosts=["localhost:*"],
                context=self.certificate.trusting,
                connections=1,
            ),
            bucket.with_retry_policy(policy, overwrite=overwrite),
            key="raw/export.{}".format,
            known=known,
            save_progress=self.remembered.append,
            retry_policy=policy,
            workers=1,
        )

    def assert_stored(self, result: RawObject | Unfinished, content: Content) -> None:
        """The object is ``content``, byte for byte, and nothing is left of any upload."""
        body = body_of(content)
        assert result == RawObject(KEY, len(body), to_base64(zlib.crc32(body)))
        assert self.client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == body
        assert not self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


@pytest.fixture
def copying(bucket_client: "S3Client", source: SourceServer, certificate: Certificate) -> Copying:
    return Copying(bucket_client, source, certificate)


@pytest.fixture
def lists_checksums(bucket_client: "S3Client") -> None:
    """SeaweedFS verifies the checksum of a part but does not list it, as S3 does: the client adds what it was given."""
    checksums: dict[str, str] = {}

    def note(parsed: Any, **_: Any) -> None:
        checksums[parsed["ETag"]] = parsed["ChecksumCRC32"]

    def add(parsed: Any, **_: Any) -> None:
        for part in parsed.get("Parts", ()):
            part.setdefault("ChecksumCRC32", checksums[part["ETag"]])

    bucket_client.meta.events.register("after-call.s3.UploadPart", note)
    bucket_client.meta.events.register("after-call.s3.ListParts", add)


@pytest.mark.parametrize("size", [1, 8 * MIB, IN_PARTS])
@pytest.mark.parametrize("style", [Style.RANGES, Style.CHUNKED])
def test_file_of_any_size_is_stored_whole(copying: Copying, size: int, style: Style) -> None:
    copying.source.body = content = Content(1, size)
    copying.source.always = lambda exchange: exchange.serve(style)

    copying.assert_stored(copying.run(), content)


@pytest.mark.usefixtures("lists_checksums")
def test_copy_that_ran_out_of_time_is_resumed_where_it_ended(copying: Copying) -> None:
    copying.source.body = content = Content(1, IN_PARTS)

    first = copying.run(parts=2)
    second = copying.run(known=copying.remembered[-1])

    assert first == Unfinished()
    assert copying.sent == [1, 2, 3, 4, 5]
    copying.assert_stored(second, content)


def test_parts_without_a_listed_checksum_are_sent_again(copying: Copying) -> None:
    copying.source.body = content = Content(1, IN_PARTS)

    copying.run(parts=2)
    second = copying.run(known=copying.remembered[-1])

    assert copying.sent == [1, 2, 1, 2, 3, 4, 5]
    copying.assert_stored(second, content)


def test_copy_that_was_completed_by_a_killed_call_is_not_made_again(copying: Copying) -> None:
    copying.source.body = content = Content(1, IN_PARTS)
    first = copying.run()

    again = copying.run(known=copying.remembered[-1])

    assert copying.sent == [1, 2, 3, 4, 5]
    assert again == first
    copying.assert_stored(again, content)


def test_copy_whose_upload_is_gone_starts_again(copying: Copying) -> None:
    copying.source.body = content = Content(1, IN_PARTS)
    copying.run(parts=2)
    (gone,) = copying.remembered
    copying.client.abort_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=gone.upload_id)

    copying.assert_stored(copying.run(known=gone), content)


def test_two_copies_of_the_same_file_end_with_one_object(copying: Copying) -> None:
    copying.source.body = content = Content(1, IN_PARTS)
    copying.run(parts=2)
    (overtaken,) = copying.remembered

    results = [copying.run(), copying.run(known=overtaken)]

    for result in results:
        copying.assert_stored(result, content)


@pytest.mark.parametrize("size", [5, IN_PARTS])
def test_object_of_other_bytes_is_replaced_where_that_is_allowed(copying: Copying, size: int) -> None:
    copying.source.body = content = Content(1, size)
    copying.client.put_object(Bucket=BUCKET, Key=KEY, Body=b"other")

    with pytest.raises(ObjectConflict):
        copying.run()
    before = copying.client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    replaced = copying.run(overwrite=True)

    assert before == b"other"
    copying.assert_stored(replaced, content)


def test_expired_download_url_of_an_s3_is_refreshed(copying: Copying, presigned: Callable[[timedelta], str]) -> None:
    content = Content(1, IN_PARTS)
    copying.client.put_object(Bucket=BUCKET, Key="source", Body=body_of(content))
    copying.urls = [presigned(timedelta(0))]

    result = copying.run(url=presigned(timedelta(hours=2)))

    assert copying.urls == []
    copying.assert_stored(result, content)


@pytest.fixture
def presigned(seaweedfs: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], str]:
    """Gives a download URL of the object ``source`` that was signed so long ago, and was valid for an hour."""
    signer = session().client("s3", endpoint_url=seaweedfs, config=Config(signature_version="s3v4"))

    def signed(ago: timedelta) -> str:
        with monkeypatch.context() as patch:
            patch.setattr("botocore.auth.get_current_datetime", lambda: datetime.now(UTC) - ago)
            url = signer.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "source"})
        return str(url)

    return signed
