"""Scenarios of exports, exports to add, and settings of the service, as the control API takes them."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, NonNegativeFloat, NonNegativeInt
from pydantic.dataclasses import dataclass

from .data.contents import Compression, Container, Contents, Kind
from .data.data_center import DataCenter
from .data.samples import History, Span
from .dataclass_json import replace_from_json
from .protocol import INFO_MEMBERS

KNOWN_MEMBERS = ConfigDict(extra="forbid")


def json_text(text: str) -> str:
    """The text, which is JSON or empty. Raises ValueError."""
    json.loads(text or "null")
    return text


def info_member(name: str) -> str:
    """The name of a member of ExportInfo. Raises ValueError."""
    if name not in INFO_MEMBERS:
        raise ValueError(f"ExportInfo has no member {name}")
    return name


InfoMember = Annotated[str, AfterValidator(info_member)]
Share = Annotated[float, Field(ge=0, le=1)]
LARGE_BYTES = 8 << 20
LARGE_ROWS = 20_000


@dataclass(frozen=True, slots=True, config=KNOWN_MEMBERS)
class Scenario:
    """The behavior of one export, from the response to StartExportTask to its download. All members are optional.

    Response to StartExportTask:

    - ``error_code``, ``error_message``: StartExportTask returns this error and creates no export.
    - ``existing_id``: StartExportTask returns the error that a successful export with this id is already present.
    - ``export_id``: the id of the export, instead of ``export-<uuid>``.

    Status:

    - ``appears_after_seconds``: DescribeExportTasks does not return the export before this time.
    - ``in_progress_seconds``: time from the request until the export is finished. A large one also waits for its file.
    - ``outcome``: the final status: SUCCEEDED, FAILED, or any other text for a future status of the service.
    - ``status_message``: the message of a finished export. FAILED has a default message.
    - ``is_truncated``: the export exceeded the size limit. Its rows cover the first half of the time range.

    Responses that the service model does not allow:

    - ``info``: members of ExportInfo with their values instead of the usual ones: any JSON.
    - ``info_without``: names of members that ExportInfo does not have.
    - ``entry``: JSON text in the place of the whole ExportInfo, for example ``null``.
    - ``refused_id``: each DescribeExportTasks call with this id returns InvalidParameterValueException.

    Contents:

    - ``container``: zip, nested (a zip in a zip), csv, gzip, none (a zip without a CSV file: no result).
    - ``compression``: deflated or stored.
    - ``rows``: number of samples in an agent export, and of connections to each other server.
    - ``min_bytes``: minimum size of all CSV files together, before compression.
    - ``connection_columns``: 12, or 10 as in exports of 2017.
    - ``folder``, ``name_prefix`` (default: the account): folder and prefix of the file names in the zip.

    Download:

    - ``url_lifetime_seconds``: lifetime of a download URL, from each describe: whole seconds, 1 to 604800.
    - ``download_url``: the URL to return instead of the real download URL. "" returns an empty one.
    - ``no_download_url``: the export succeeds without a download URL.
    - ``refused_gets``: number of GETs that return 403, as if the credentials of the signer had expired.
    """

    error_code: str = ""
    error_message: str = ""
    existing_id: str = ""
    export_id: str = ""
    appears_after_seconds: NonNegativeFloat = 0.0
    in_progress_seconds: NonNegativeFloat = 0.0
    outcome: str = "SUCCEEDED"
    status_message: str = ""
    is_truncated: bool = False
    info: dict[InfoMember, Any] = Field(default_factory=dict)
    info_without: list[InfoMember] = Field(default_factory=list)
    entry: Annotated[str, AfterValidator(json_text)] = ""
    refused_id: bool = False
    container: Container = Container.ZIP
    compression: Compression = Compression.DEFLATED
    rows: NonNegativeInt = 24
    min_bytes: NonNegativeInt = 0
    connection_columns: Literal[10, 12] = 12
    folder: str = ""
    name_prefix: str = ""
    url_lifetime_seconds: Annotated[int, Field(ge=1, le=604800)] = 3600
    download_url: str | None = None
    no_download_url: bool = False
    refused_gets: NonNegativeInt = 0

    @property
    def large(self) -> bool:
        """Whether the file takes so long that it is generated before the export is finished, not at its download."""
        return self.min_bytes >= LARGE_BYTES or self.rows >= LARGE_ROWS

    def contents(self, kind: Kind, agent_id: str | None, span: Span, history: History | None) -> Contents:
        return Contents(
            kind=kind,
            agent_id=agent_id,
            span=span,
            history=history,
            cut_in_half=self.is_truncated,
            rows=self.rows,
            min_bytes=self.min_bytes,
            connection_columns=self.connection_columns,
            container=self.container,
            compression=self.compression,
            folder=self.folder,
            name_prefix=self.name_prefix,
        )


@dataclass(frozen=True, slots=True, config=KNOWN_MEMBERS)
class Settings:
    """The behavior of the service, for all later calls.

    - ``home_region``: the Regions in which calls succeed, separated by commas. Others: HomeRegionNotSetException.
    - ``refuse_with``: the error code that every call returns, for example AuthorizationErrorException.
    - ``throttle_rate``, ``error_rate``: share of calls, 0 to 1, that return ThrottlingException or
      ServerInternalErrorException. The same ``fault_seed`` gives the same order of faults.
    - ``throttled_calls``: number of the next calls that return ThrottlingException.
    - ``busy_rate``: share of downloads, 0 to 1, that return 503 SlowDown.
    - ``body``: text that every call returns with status 200 instead of its response, for example an HTML page.
    - ``page_size``: maximum number of items in a page, 1 to 100. A lower maxResults of the request has precedence.
    - ``concurrent_agent_exports``: number of agent exports that can be in progress.
    - ``daily_limit``: number of exports that can be requested in 24 hours. null: no limit.
    - ``daily_limit_kinds``: the kinds that the daily limit counts and refuses, added exports included.
    - ``daily_limit_message``: the text of the refusal. That of the service is unknown.
    - ``data_delay_seconds``: age from which on the data of an agent with ``sample_seconds`` is in its exports.
    - ``marker``: secret text in the path and in a signed parameter of every download URL: letters, digits and ``-``.
    """

    home_region: str = "us-east-1"
    refuse_with: str = ""
    throttle_rate: Share = 0.0
    error_rate: Share = 0.0
    throttled_calls: NonNegativeInt = 0
    busy_rate: Share = 0.0
    body: str = ""
    fault_seed: int = 0
    page_size: Annotated[int, Field(ge=1, le=100)] = 100
    concurrent_agent_exports: int = 5
    daily_limit: NonNegativeInt | None = None
    daily_limit_kinds: list[Kind] = Field(default_factory=lambda: [Kind.AGENT])
    daily_limit_message: str = "The double permits no more exports in 24 hours."
    data_delay_seconds: NonNegativeFloat = 900.0
    marker: Annotated[str, Field(pattern="^[A-Za-z0-9-]+$")] = "unmarked"


@dataclass(frozen=True, slots=True, config=KNOWN_MEMBERS)
class Addition:
    """An export to add without StartExportTask. Has all members of a scenario (``id`` means ``export_id``), and:

    - ``kind``: summary, agent or ec2-recommendations.
    - ``agent_id``: the agent of an agent export. Default: an agent of the double.
    - ``age_seconds``: time since the request. ``in_progress_seconds`` also counts from the request.
    - ``requested_start``, ``requested_end``: the requested time range, in epoch seconds.
    - ``preferences``: the ec2RecommendationsPreferences of the request.
    """

    kind: Kind = Kind.SUMMARY
    agent_id: str | None = None
    age_seconds: float = 0.0
    requested_start: float | None = None
    requested_end: float | None = None
    preferences: dict[str, Any] = Field(default_factory=dict)
    scenario: Scenario = Scenario()

    @classmethod
    def read(cls, document: Mapping[str, Any], data_center: DataCenter, number: int) -> "Addition":
        """Read one object with the members of the addition and of its scenario. ``id`` means ``export_id``."""
        own = {"kind", "agent_id", "age_seconds", "requested_start", "requested_end", "preferences"}
        rest = {"export_id" if name == "id" else name: value for name, value in document.items() if name not in own}
        addition = replace_from_json(
            cls(scenario=replace_from_json(Scenario(), rest)), {name: document[name] for name in own & document.keys()}
        )
        if addition.kind is Kind.AGENT and addition.agent_id is None:
            return replace_from_json(addition, {"agent_id": data_center.server(number % data_center.size).agent_id})
        return addition
