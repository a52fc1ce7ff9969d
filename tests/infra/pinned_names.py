"""The names of a deployment that users depend on, read from its template.

A changed logical id replaces its resource, such as the bucket or the table. Consumers of a changed metric or event no
longer receive it. Therefore the list, ``pinned_names.json``, changes only on purpose.
``PYTHONPATH=functions python -m tests.infra.pinned_names`` writes it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from exports.collecting.coverage import coverage
from exports.collecting.metrics import record_tick
from exports.outcomes import events
from exports.outcomes.metrics import measure, record_call, record_poll
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row
from tests.infra.synthesis import by_default, with_everything
from tests.infra.template import Template, many

LIST = Path(__file__).with_suffix(".json")
COMMAND = "PYTHONPATH=functions python -m tests.infra.pinned_names"

NOW = datetime(2026, 11, 29, tzinfo=UTC)
AGENT = {"agentId": "a", "seenAt": "2026-11-02T00:00Z", "registeredAt": "2026-11-01T00:00Z"}
Names = Mapping[str, list[str]]
"""Sorted names by kind."""


def names(template: Template) -> Names:
    """All names in the template that users and other systems can depend on."""
    kinds = {
        "logical ids": set(_logical_ids(template)),
        "outputs": set(template.document.get("Outputs", {})),
        "environment variables": set(_environment(template)),
        "prefixes": set(_prefixes(template)),
        "metrics": {*_metrics_of_alarms(template), *_metrics_of_dashboards(template), *_metrics_of_functions(template)},
        "events": {*_published_events(), *_matched_events(template)},
    }
    return {kind: sorted(found) for kind, found in kinds.items()}


def pinned() -> Mapping[str, Names]:
    """The names in the list: those of the default stack, and those with every feature turned on."""
    found: Mapping[str, Names] = json.loads(LIST.read_text("utf-8"))
    return found


def differences(before: Names, now: Names) -> list[str]:
    """A line for each removed (-) and each added (+) name."""
    return [
        f"{sign} {kind}: {name}"
        for kind in sorted({*before, *now})
        for sign, one, other in (("-", before, now), ("+", now, before))
        for name in one.get(kind, [])
        if name not in other.get(kind, [])
    ]


def _logical_ids(template: Template) -> Iterator[str]:
    for logical_id in template.names:
        yield f"{logical_id} {template.document['Resources'][logical_id]['Type']}"


def _environment(template: Template) -> Iterator[str]:
    for name, function in template.of_type("AWS::Lambda::Function").items():
        for variable in function["Properties"].get("Environment", {}).get("Variables", {}):
            yield f"{name} {variable}"


def _prefixes(template: Template) -> Iterator[str]:
    """Prefixes in policies, lifecycle rules, tables and query results."""
    bucket = "<Storage/Bucket.Arn>/"
    for kind in ("AWS::IAM::Role", "AWS::IAM::Policy"):
        for name in template.of_type(kind):
            resources = (line.partition(" on ")[2] for line in template.permissions(name))
            yield from (f"{name} {each.removeprefix(bucket)}" for each in resources if each.startswith(bucket))
    for name, each in template.of_type("AWS::S3::Bucket").items():
        for rule in each["Properties"].get("LifecycleConfiguration", {}).get("Rules", []):
            yield f"{name} {rule['Id']} {rule.get('Prefix', '')}".rstrip()
    for name, each in template.of_type("AWS::Glue::Table").items():
        if location := each["Properties"]["TableInput"]["StorageDescriptor"].get("Location"):
            yield f"{name} {template.text(location)}"
    for name, each in template.of_type("AWS::Athena::WorkGroup").items():
        results = each["Properties"]["WorkGroupConfiguration"]["ResultConfiguration"]
        yield f"{name} {template.text(results['OutputLocation'])}"


def _metrics_of_alarms(template: Template) -> Iterator[str]:
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        dimensions = [dimension["Name"] for dimension in properties["Dimensions"]]
        yield _metric("alarm", template.text(properties["Namespace"]), properties["MetricName"], dimensions)


def _metrics_of_dashboards(template: Template) -> Iterator[str]:
    for dashboard in template.of_type("AWS::CloudWatch::Dashboard").values():
        for widget in json.loads(template.text(dashboard["Properties"]["DashboardBody"]))["widgets"]:
            for metric in widget["properties"].get("metrics", []):
                namespace, name, *rest = (part for part in metric if isinstance(part, str))
                yield _metric("dashboard", namespace, name, rest[::2])


def _metrics_of_functions(template: Template) -> Iterator[str]:
    """Metrics that the functions write, with the namespace and the service from their environment."""
    variables = template.properties("Functions/CheckExports")["Environment"]["Variables"]
    environment = {name: template.text(value) for name, value in variables.items() if name.startswith("POWERTOOLS_")}
    with patch.dict("os.environ", environment), redirect_stdout(StringIO()) as written:
        for outcome in Outcome:
            measure(Row({"exportId": "export-1"}), outcome)
        record_poll([timedelta()], [timedelta()])
        record_call()
        if "Functions/CollectExports" in template.names.values():
            record_tick(coverage([AGENT], NOW), started=0, refused=0, since=None)
    for line in written.getvalue().splitlines():
        for block in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            for metric in block["Metrics"]:
                name = f"{metric['Name']} ({metric['Unit']})"
                yield _metric("function", block["Namespace"], name, *block["Dimensions"])


def _metric(place: str, namespace: str, name: str, dimensions: list[str]) -> str:
    return f"{place}: {namespace} {name} by {', '.join(sorted(dimensions)) or 'nothing'}"


def _published_events() -> Iterator[str]:
    """Events that the functions publish, with the members of the detail."""
    item = {"exportId": "export-1", "reason": "GONE", "kind": "agent", "manifestKey": "manifests/export-1.json"}
    counts = {"bytes": 1, "rows": 1, "files": 1, "statusMessage": "message"}
    for outcome in Outcome:
        yield f"put: {events.SOURCE} {outcome.event_type} of {outcome}"
    detail = events.detail(Row({**item, **counts}), Outcome.STORED, bucket="bucket")
    for part, members in detail.items():
        yield from (f"detail: {part}.{member}" for member in (members if isinstance(members, dict) else [""]))


def _matched_events(template: Template) -> Iterator[str]:
    for name, rule in template.of_type("AWS::Events::Rule").items():
        pattern = rule["Properties"]["EventPattern"]
        for source in pattern["source"]:
            yield f"{name}: source {source}"
        for detail_type in many(pattern["detail-type"]):
            yield f"{name}: detail-type {json.dumps(detail_type)}"


def main() -> None:
    found = {"by default": names(by_default()), "with everything": names(with_everything())}
    LIST.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
