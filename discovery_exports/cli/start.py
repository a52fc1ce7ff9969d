"""``discovery-exports start``: starts one export by hand, and a run that stores it."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from discovery_exports.cli.agents import listed_agent, listed_agents
from discovery_exports.cli.commands import PROGRAM, command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import (
    CallRefused,
    ExitCode,
    Failure,
    Misconfigured,
    Misused,
    failure_behind,
    sentence,
)
from discovery_exports.cli.run_input import checked_agents, inputs_for_ids
from discovery_exports.cli.times import read_since
from discovery_exports.cli.waiting import TIMEOUT, WAIT, timeout_of

if TYPE_CHECKING:
    from exports.collecting.agents import Request
    from exports.errors import ExportsError

EXPORT_COLUMN = "exportId"
NOTHING_STARTED = "Nothing was started."
MAY_HAVE_STARTED = (
    "An export may have started all the same: look for it with aws discovery describe-export-tasks before you start "
    "it again."
)


class What(StrEnum):
    SUMMARY = "summary"
    AGENT = "agent"
    RECOMMENDATIONS = "recommendations"


def register(app: typer.Typer) -> None:
    command(app, "start")(start)


def start(
    context: Context,
    what: Annotated[What, typer.Argument(help="What to export: the whole account, one agent, or recommendations.")],
    agent_id: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="The ID of the agent.", show_default=False)
    ] = None,
    start_time: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Agent: the first moment, such as 3d or 2026-11-01T06:00Z. Default: its first data.",
        ),
    ] = None,
    end_time: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="Agent: the last moment; at most 72 hours after the first. Default: its newest data.",
        ),
    ] = None,
    preferences: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Recommendations: a JSON file with preferences of the API; - reads the input."
        ),
    ] = None,
    tenancy: Annotated[str | None, typer.Option(metavar="NAME", help="Recommendations: SHARED or DEDICATED.")] = None,
    preferred_region: Annotated[
        str | None, typer.Option(metavar="NAME", help="Recommendations: the Region of the instances.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="Recommendations: no instances of this type; repeatable."),
    ] = None,
    cpu: Annotated[
        str | None,
        typer.Option(
            metavar="BASIS", help="Recommendations: p0 to p100, AVG, SPEC or MAX, perhaps with percent: p95:10."
        ),
    ] = None,
    ram: Annotated[str | None, typer.Option(metavar="BASIS", help="Recommendations: the same for memory.")] = None,
    reserved: Annotated[
        str | None,
        typer.Option(metavar="OPTIONS", help="Recommendations: such as NO_UPFRONT,STANDARD,ONE_YEAR."),
    ] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Start no run. No stack is needed.")] = False,
    wait: WAIT = False,
    timeout: TIMEOUT = None,
) -> ExitCode:
    """Start one export now, and a run that stores it. Works without the setting collect.

    Calls the service with your own credentials, in the Region of --region. An agent that the service does not list is
    refused, because its export would count in the limits of the account. If an export of the same agent and range
    exists already, that one is stored. Exit code with --wait: as that of store.
    """
    options = {
        "tenancy": tenancy,
        "preferredRegion": preferred_region,
        "excludedInstanceTypes": list(exclude) if exclude else None,
        "cpuPerformanceMetricBasis": _basis("--cpu", cpu),
        "ramPerformanceMetricBasis": _basis("--ram", ram),
        "reservedInstanceOptions": _reserved(reserved),
    }
    given = {name: value for name, value in options.items() if value is not None}
    _check(what, agent_id, times=start_time is not None or end_time is not None, preferences=bool(preferences or given))
    if no_store and wait:
        raise Misused("--wait waits for a run, and --no-store starts none.")
    limit = timeout_of(wait, timeout)
    now = context.now()
    request = _request(
        what,
        agent_id,
        None if start_time is None else read_since(start_time, now),
        None if end_time is None else read_since(end_time, now),
        {**_file(preferences), **given},
    )
    if not no_store:
        _ = context.state_machine_arn  # an export that no run can store is not started
    if agent_id is not None:
        _check_listed(context, agent_id)
    export_id = _started(context, request)
    if no_store:
        context.output.rows([{EXPORT_COLUMN: export_id}], (EXPORT_COLUMN,))
        return ExitCode.DONE
    from discovery_exports.cli.results import start_and_report

    stored_later = f"To store the export: {PROGRAM} store {export_id}"
    inputs = inputs_for_ids([export_id])
    return start_and_report(context, "start", inputs, wait=wait, timeout=limit, if_not_started=stored_later)


def _check(what: What, agent_id: str | None, *, times: bool, preferences: bool) -> None:
    if (what is What.AGENT) != (agent_id is not None):
        raise Misused("Write start agent ID, start summary, or start recommendations.")
    if agent_id is not None:
        checked_agents([agent_id])
    if times and what is not What.AGENT:
        raise Misused("--from and --to are for start agent.")
    if preferences and what is not What.RECOMMENDATIONS:
        raise Misused("Preferences, such as --tenancy, are for start recommendations.")


def _check_listed(context: Context, agent_id: str) -> None:
    """Raises Misused for an agent without exports: the service could start one all the same, and count it."""
    agent = listed_agent(listed_agents(context, NOTHING_STARTED), agent_id)
    if not agent.has_exports:
        raise Misused(
            f"{agent_id} is a connector or collector, which has no exports of its own: start summary exports its data."
        )


def _request(
    what: What, agent_id: str | None, start: datetime | None, end: datetime | None, preferences: Mapping[str, Any]
) -> "Request":
    from exports.collecting.agent_state import MAX_WINDOW
    from exports.collecting.agents import Request
    from exports.collecting.setting import Kind

    kinds = {What.SUMMARY: Kind.SUMMARY, What.AGENT: Kind.AGENT, What.RECOMMENDATIONS: Kind.RECOMMENDATIONS}
    if start and end and start >= end:
        raise Misused("--from must be before --to.")
    if start and end and end - start > MAX_WINDOW:
        raise Misused(
            "--from and --to are more than 72 hours apart. An export of an agent has at most 72 hours: start several."
        )
    return Request(kinds[what], agent_id=agent_id, start=start, end=end, preferences=preferences)


def _file(name: str | None) -> Mapping[str, Any]:
    """The preferences of a JSON file. Raises Misused if it has no JSON object."""
    if name is None:
        return {}
    if not name:
        raise Misused("--preferences needs the name of a file, or - for standard input.")
    source = "Standard input" if name == "-" else name
    try:
        document = json.loads(sys.stdin.read() if name == "-" else Path(name).read_text("utf-8"))
    except UnicodeDecodeError:
        raise Misused(f"{source} is not text in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise Misused(f"{source} is not JSON: {sentence(error)}") from None
    if not isinstance(document, dict):
        raise Misused(f'{source} is not a JSON object with preferences, such as {{"tenancy": "SHARED"}}.')
    return document


def _basis(option: str, text: str | None) -> Mapping[str, Any] | None:
    """``p95`` or ``p95:10``: a metric, and by how many percent it is adjusted."""
    if text is None:
        return None
    name, colon, percent = text.partition(":")
    if not colon:
        return {"name": name}
    with suppress(ValueError):
        if 0 <= float(percent) <= 100:
            return {"name": name, "percentageAdjust": float(percent)}
    raise Misused(f"{option} {text!r}: after the colon must be a percentage from 0 to 100.")


def _reserved(text: str | None) -> Mapping[str, str] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3:
        raise Misused("--reserved needs three parts, such as NO_UPFRONT,STANDARD,ONE_YEAR.")
    return dict(zip(("purchasingOption", "offeringClass", "termLength"), parts, strict=True))


def _validate(client: Any, preferences: Mapping[str, Any] | None) -> None:
    """Raises Misused if the preferences do not have the form of the API. The service checks the values."""
    from botocore.validate import ParamValidator

    shape = client.meta.service_model.shape_for("Ec2RecommendationsExportPreferences")
    report = ParamValidator().validate(dict(preferences or {}), shape)
    if report.has_errors():
        raise Misused(f"The preferences are not valid: {sentence(report.generate_report())}")


def _started(context: Context, request: "Request") -> str:
    """The ID of the export that was started, or that exists already. Each refusal has a line that says what to do."""
    from botocore.exceptions import NoCredentialsError

    from exports.collecting import agents
    from exports.collecting.service import START_CONFIG, AgentService
    from exports.errors import ExportsError

    client = context.client("discovery", config=START_CONFIG)
    _validate(client, request.preferences)
    if context.session.get_credentials() is None:
        raise NoCredentialsError
    try:
        export_id = AgentService(client).start(request)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted. {MAY_HAVE_STARTED}") from None
    except agents.AlreadyPresent as error:
        context.say(f"The export {error.export_id} exists already, for the same agent and range.")
        return error.export_id
    except agents.SlotsTaken:
        raise CallRefused(
            "The service has as many exports in progress as the account may have, 5 of agents. Start it again later."
        ) from None
    except agents.LimitReached as error:
        raise CallRefused(f"The service starts no export now: {error} {NOTHING_STARTED}") from None
    except ExportsError as error:
        failure = failure_behind(error)
        advice = _advice(request) if isinstance(error, agents.RequestRefused) else ""
        started = MAY_HAVE_STARTED if _may_have_started(error, failure) else NOTHING_STARTED
        raise type(failure)(f"{failure} {advice}{started}") from None
    context.say(f"Started the export {export_id}.")
    return export_id


def _advice(request: "Request") -> str:
    if request.agent_id:
        return "Check the ID of the agent, and the range: at most 72 hours. "
    return "Check the preferences. " if request.preferences else ""


def _may_have_started(error: "ExportsError", failure: Failure) -> bool:
    """Whether the call may have reached the service, and the answer is not a refusal."""
    from botocore import exceptions as boto

    from exports.collecting.agents import OutcomeUnknown

    cause = error.__context__
    refused = isinstance(failure, Misconfigured) and isinstance(cause, boto.BotoCoreError | boto.ClientError)
    cut_off = isinstance(cause, boto.HTTPClientError | boto.SSLError)
    return isinstance(error, OutcomeUnknown) and (cut_off or not refused)
