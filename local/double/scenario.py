"""What can be asked of the double: how exports go, and how the service behaves."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt
from pydantic.dataclasses import dataclass

from local.double.data.contents import Compression, Container, Contents, Kind
from local.double.data.data_center import DataCenter, Span
from local.double.dataclass_json import replace_from_json

KNOWN_MEMBERS = ConfigDict(extra="forbid")
Share = Annotated[float, Field(ge=0, le=1)]
LARGE_BYTES = 8 << 20
LARGE_ROWS = 20_000


@dataclass(frozen=True, slots=True, config=KNOWN_MEMBERS)
class Scenario:
    """How one export goes, from the answer to StartExportTask to its download. Every member may be left out.

    What the start answers:

    - ``error_code``, ``error_message``: StartExportTask fails with this and no export comes to be.
    - ``existing_id``: it answers that a successful export is already present, with this id.
    - ``export_id``: the id to give, instead of ``export-<uuid>``.

    How it goes:

    - ``appears_after_seconds``: DescribeExportTasks does not know it before.
    - ``in_progress_seconds``: how long after its request it is IN_PROGRESS; a large one until it is made, too.
    - ``outcome``: the status then. Anything but SUCCEEDED and FAILED is a status that the enum has grown.
    - ``status_message``: beside the outcome; beside FAILED there is a default.
    - ``is_truncated``: hit the size cap; the rows cover the first half of the range.

    What is in it:

    - ``container``: zip, nested (a zip in a zip), csv, gzip, none (a zip without CSV: no result).
    - ``compression``: deflated or stored.
    - ``rows``: of an agent: samples, and connections to each peer.
    - ``min_bytes``: at least so many bytes of CSV before compression.
    - ``connection_columns``: 12, or 10 as in 2017.
    - ``folder``, ``name_prefix`` (instead of the account): change the names inside the zip.

    How it is downloaded:

    - ``link_lifetime_seconds``: whole seconds, 1 to 604800, from each describe.
    - ``download_url``: handed out instead of the real link; "" hands out an empty one.
    - ``no_download_url``: SUCCEEDED comes without a link.
    - ``refused_gets``: so many GETs answer 403 as if the link's signer had lost its credentials.
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
    container: Container = Container.ZIP
    compression: Compression = Compression.DEFLATED
    rows: NonNegativeInt = 24
    min_bytes: NonNegativeInt = 0
    connection_columns: Literal[10, 12] = 12
    folder: str = ""
    name_prefix: str = ""
    link_lifetime_seconds: Annotated[int, Field(ge=1, le=604800)] = 3600
    download_url: str | None = None
    no_download_url: bool = False
    refused_gets: NonNegativeInt = 0

    @property
    def large(self) -> bool:
        """Whether making it takes so long that it is done before the export is finished, not at its first download."""
        return self.min_bytes >= LARGE_BYTES or self.rows >= LARGE_ROWS

    def contents(self, kind: Kind, agent_id: str | None, span: Span) -> Contents:
        return Contents(
            kind=kind,
            agent_id=agent_id,
            span=span,
            is_truncated=self.is_truncated,
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
    """How the service behaves, for every call from now on.

    - ``home_region``: calls signed for another region fail with HomeRegionNotSetException; several have commas between.
    - ``refuse_with``: the error code that every call answers, such as AuthorizationErrorException.
    - ``throttle_rate``, ``error_rate``: the share of calls, 0 to 1, that answer ThrottlingException and
      ServerInternalErrorException; the same ``fault_seed`` gives the same order of good and bad answers.
    - ``busy_rate``: the share of downloads that answer 503 SlowDown.
    - ``page_size``: exports in a page of DescribeExportTasks unless maxResults asks for less, 1 to 100.
    - ``concurrent_agent_exports``: how many may be in progress at a time.
    - ``marker``: a secret that stands in the path and in a signed parameter of every link; letters, digits and ``-``.
    """

    home_region: str = "us-east-1"
    refuse_with: str = ""
    throttle_rate: Share = 0.0
    error_rate: Share = 0.0
    busy_rate: Share = 0.0
    fault_seed: int = 0
    page_size: Annotated[int, Field(ge=1, le=100)] = 100
    concurrent_agent_exports: int = 5
    marker: Annotated[str, Field(pattern="^[A-Za-z0-9-]+$")] = "unmarked"


@dataclass(frozen=True, slots=True, config=KNOWN_MEMBERS)
class Addition:
    """An export that is there without StartExportTask.

    It was started ``age_seconds`` ago, and ``in_progress_seconds`` count from then.
    An agent export without ``agent_id`` is given one of the fleet's agents. ``requested_start`` and ``requested_end``
    are epoch seconds.
    """

    kind: Kind = Kind.SUMMARY
    agent_id: str | None = None
    age_seconds: float = 0.0
    requested_start: float | None = None
    requested_end: float | None = None
    scenario: Scenario = Scenario()

    @classmethod
    def read(cls, document: Mapping[str, Any], data_center: DataCenter, number: int) -> "Addition":
        """One object holds the members of the addition and of its scenario, with ``export_id`` as ``id`` too."""
        own = {"kind", "agent_id", "age_seconds", "requested_start", "requested_end"}
        rest = {"export_id" if name == "id" else name: value for name, value in document.items() if name not in own}
        addition = replace_from_json(
            cls(scenario=replace_from_json(Scenario(), rest)), {name: document[name] for name in own & document.keys()}
        )
        if addition.kind is Kind.AGENT and addition.agent_id is None:
            return replace_from_json(addition, {"agent_id": data_center.server(number % data_center.size).agent_id})
        return addition
