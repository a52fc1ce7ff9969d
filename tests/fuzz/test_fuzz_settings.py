"""Any context value is accepted, or refused with the name of its setting.

Texts are short changes of valid values: other texts would only ever be refused.
"""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from infra.settings.rules import SettingsError
from infra.settings.settings import Deployment

NAMES = sorted(to_camel(name) for name in Deployment.model_fields)
VALID = [
    *("15", "true", "null", "[]", "{}", "2016-05", "arm64", "us-east-1", "my-bucket", "my/bus"),
    *("localhost:*,127.0.0.1:65535", "example.com", "vpc-0a1b2c3d", "subnet-0a1b2c3d", "sg-0a1b2c3d"),
    "arn:aws:iam::111122223333:role/a/reader",
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab",
    "arn:aws:sns:us-east-1:111122223333:topic",
    '[{"name": "agent_disk", "pattern": "*_disk.csv", "columns": {"agentId": "string"}}]',
    '[{"expression": "cron(0 6 * * ? *)", "timezone": "Europe/Berlin", "input": {"exportIds": ["export-1"]}}]',
    '{"team": "migration"}',
    '{"StoreExport": 5}',
]
TEXTS = st.builds(
    lambda text, at, cut, added: text[: at % (len(text) + 1)] + added + text[at % (len(text) + 1) + cut :],
    st.sampled_from(VALID),
    st.integers(0, 200),
    st.integers(0, 3),
    st.text(max_size=3),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=20)
MEMBERS = st.sampled_from(["name", "pattern", "columns", "expression", "timezone", "input", "StoreExport", "exportIds"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def result(context: Mapping[str, object]) -> Deployment | SettingsError:
    try:
        return Deployment.from_context(context)
    except SettingsError as refused:
        return refused


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=4))
def test_context_is_accepted_or_refused_by_name(context: Mapping[str, object]) -> None:
    found = result(context)

    if isinstance(found, SettingsError):
        assert found.faults
        assert found.faults.keys() <= set(NAMES)
        assert all(f"  {name}: {fault}" in str(found) for name, fault in found.faults.items())


@given(st.dictionaries(st.text(max_size=30) | st.sampled_from(NAMES).map(lambda name: name[:-1]), VALUES, max_size=4))
def test_context_of_other_software_is_ignored_and_misspelt_names_are_refused(context: Mapping[str, object]) -> None:
    found = result(context)

    if isinstance(found, SettingsError):
        assert found.faults.keys() <= {*NAMES, *context}


@given(st.sampled_from(["downloadHosts", "datasets", "schedules", "reservedConcurrency", "tags"]), VALUES)
def test_a_value_means_the_same_as_json_on_the_command_line(name: str, value: Any) -> None:
    value = value if isinstance(value, list | dict) else [value]

    assert comparable(result({name: value})) == comparable(result({name: json.dumps(value)}))


def comparable(found: Deployment | SettingsError) -> object:
    """The settings; or the names of those that are refused: their messages repeat the value as it was given."""
    return sorted(found.faults) if isinstance(found, SettingsError) else found
