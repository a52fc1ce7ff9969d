"""The environment variables of every function fit into the 4 KB of Lambda, or the synthesis fails."""

import json
from bisect import bisect
from typing import Any

import pytest
from aws_cdk import App, Aws, Stack
from aws_cdk import aws_dynamodb as dynamodb

from infra.lambda_environment import reject_too_large
from infra.settings.dataset import CustomDataset
from infra.settings.rules import SettingsError
from infra.settings.settings import Settings
from tests.infra.synthesis import of_stack

STACK_NAME, TABLE_NAME, REGION = "s" * 128, "t" * 255, "us-northeast-10"
"""As long as CloudFormation and DynamoDB allow, and longer than any Region."""
DATASETS = (CustomDataset(name="disks", pattern="*_disk.csv", columns={f"column {n}": "string" for n in range(55)}),)
HOSTS = (f"{'a' * 200}.example", f"{'b' * 200}.example")


def test_each_of_two_long_settings_is_accepted() -> None:
    of_stack(Settings(datasets=DATASETS))
    of_stack(Settings(download_hosts=HOSTS))


def test_settings_that_are_too_long_together_are_rejected_by_name() -> None:
    with pytest.raises(SettingsError) as rejected:
        of_stack(Settings(datasets=DATASETS, download_hosts=HOSTS))

    ((names, fault),) = rejected.value.faults.items()
    assert names == "datasets, downloadHosts"
    assert fault.startswith("make the environment variables of StoreExport")
    assert fault.endswith("Lambda allows 4096")


@pytest.mark.parametrize("character", ["a", '"', "\N{LATIN SMALL LETTER SHARP S}"])
def test_what_is_accepted_fits_as_lambda_measures_it(character: str) -> None:
    """As one JSON object with escaped quotation marks, and with names as long as they can be."""
    stack = Stack(App(), "Stack")
    table = dynamodb.Table.from_table_name(stack, "Given", "given")
    made = dynamodb.CfnTable(stack, "Table", key_schema=[])
    unknown = {
        "TABLE_NAME": made.ref,
        "TABLE_ARN": made.attr_arn,
        "NAMESPACE": f"Exports/{Aws.STACK_NAME}",
        "PLACE": f"{Aws.REGION}/{Aws.ACCOUNT_ID}",
        "GIVEN": table.table_arn,
    }
    arn = f"arn:aws-us-gov:dynamodb:{REGION}:{'1' * 12}:table/"
    known = {
        "TABLE_NAME": TABLE_NAME,
        "TABLE_ARN": f"{arn}{TABLE_NAME}",
        "NAMESPACE": f"Exports/{STACK_NAME}",
        "PLACE": f"{REGION}/{'1' * 12}",
        "GIVEN": f"{arn}given",
    }

    longest = (
        bisect(range(4_096), 0, key=lambda length: rejected(stack, {**unknown, "DATASETS": character * length})) - 1
    )

    measured = json.dumps({**known, "DATASETS": character * longest}, separators=(",", ":"))
    assert 3_000 < len(measured) <= 4_096


def rejected(stack: Stack, variables: dict[str, Any]) -> bool:
    try:
        reject_too_large(stack, "StoreExport", variables)
    except SettingsError:
        return True
    return False
