"""Invalid settings are rejected with their names, all together, before any resource is created."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel

from infra.settings.rules import SettingsError
from infra.settings.settings import GB, HOME_REGIONS, Deployment, Existing, Settings, reject_later_month

ROOT = Path(__file__).parents[2]
CDK_JSON, SETTINGS_PAGE = ROOT / "cdk.json", ROOT / "docs" / "settings.md"


def test_cdk_json_can_be_deployed() -> None:
    """With any values: the defaults are in docs/settings.md."""
    context = json.loads(CDK_JSON.read_text("utf-8"))["context"]

    Deployment.from_context(context)


def test_the_settings_page_lists_each_setting_with_its_default() -> None:
    listed = dict(documented())

    assert listed.keys() == {to_camel(name) for name in Deployment.model_fields}
    for name, field in Deployment.model_fields.items():
        assert listed[to_camel(name)] in shown(field.default), name


def documented() -> Iterator[tuple[str, str]]:
    """Names in the table of the page, and their defaults; a row may have several of either."""
    for row in re.findall(r"^\| (`.*?`) \| (.*?) \|", SETTINGS_PAGE.read_text("utf-8"), re.MULTILINE):
        names, defaults = (cell.replace("`", "").split(", ") for cell in row)
        yield from zip(names, defaults, strict=True)


def shown(default: object) -> set[str]:
    """The notations of a default."""
    if default is None:
        return {"none", "made", "default bus", "the stack's"}
    if isinstance(default, int) and not isinstance(default, bool):
        return {f"{default:,}", f"{default // GB} GB" if default % GB == 0 else ""}
    return {"none"} if default in ((), {}) else {str(default), str(default).lower()}


def test_values_may_come_from_the_command_line() -> None:
    settings = Settings.from_context(
        {
            "waitFloorSeconds": "1",
            "waitCeilingSeconds": "2",
            "sweepMaxAgeDays": "30",
            "downloadHosts": "localhost:*, 127.0.0.1:*",
            "maxTotalBytes": str(600 * GB),
        }
    )

    assert (settings.wait_floor_seconds, settings.wait_ceiling_seconds, settings.sweep_max_age_days) == (1, 2, 30)
    assert settings.download_hosts == ("localhost:*", "127.0.0.1:*")
    assert settings.max_total_bytes == 600 * GB


@pytest.mark.parametrize("none", [None, "", "null"])
def test_a_sweep_may_have_no_maximum_age(none: object) -> None:
    assert Settings.from_context({"sweepMaxAgeDays": none}).sweep_max_age_days is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("waitFloorSeconds", "soon"),
        ("waitFloorSeconds", 0),
        ("waitCeilingSeconds", -1),
        ("waitCeilingSeconds", 14),
        ("notFoundGraceSeconds", 1.5),
        ("notFoundGraceSeconds", 600.0),
        ("deadlineMinutes", "60.0"),
        ("deadlineMinutes", "1e3"),
        ("deadlineMinutes", "1_000"),
        ("deadlineMinutes", 10_081),
        ("sweepDeadlineMinutes", True),
        ("sweepMaxAgeDays", "never"),
        ("storeBudgetSeconds", 900),
        ("storeConcurrency", 41),
        ("batchConcurrency", []),
        ("downloadHosts", "https://example.com"),
        ("downloadHosts", ["example.com:port"]),
        ("downloadHosts", ["example.com/path"]),
        ("downloadHosts", ["example.com:65536"]),
        ("downloadHosts", [1]),
        ("downloadHosts", {"host": "example.com"}),
        ("maxFiles", ""),
        ("maxFileBytes", "200 GB"),
        ("maxTotalBytes", 1),
        ("maxRatio", "\N{FULLWIDTH DIGIT ONE}00"),
        ("discoveryRoleArn", "arn:aws:iam::11112222333:role/reader"),
        ("discoveryRoleArn", "arn:aws:iam::111122223333:user/reader"),
        ("discoveryRoleArn", "reader"),
        ("discoveryExternalId", "wave-2026"),
        ("discoveryExternalId", "x"),
        ("discoveryRegion", "eu-west-3"),
        ("discoveryRegion", ["us-east-1"]),
        ("rawRetentionDays", 7),
        ("dataRetentionDays", 0),
        ("noncurrentDays", None),
        ("logRetentionDays", 91),
        ("logRetentionDays", True),
        ("reservedConcurrency", {"Store": 5}),
        ("reservedConcurrency", {"StoreExport": 0}),
        ("reservedConcurrency", {"StoreExport": "5"}),
        ("reservedConcurrency", []),
        ("reservedConcurrency", 5),
        ("tags", "team=migration"),
        ("tags", {"aws:team": "migration"}),
        ("tags", {"team": 5}),
        ("tags", {"": "migration"}),
        ("tags", {"team": "a,b"}),
        ("tags", {"team": "a", "Team": "b"}),
        ("tags", {f"tag{number}": "" for number in range(51)}),
        ("tables", "maybe"),
        ("tables", "yes"),
        ("tables", 1),
        ("tables", None),
        ("waitFloorSecond", 5),
        ("wait_floor_seconds", 5),
    ],
)
def test_bad_input_30_invalid_value_is_rejected_with_its_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as rejected:
        Settings.from_context({name: value})

    assert list(rejected.value.faults) == [name]
    assert f"\n  {name}: " in str(rejected.value)


def dataset(**changed: object) -> dict[str, object]:
    return {"name": "agent_disk", "pattern": "*_disk.csv", "columns": {"agentId": "string"}, **changed}


@pytest.mark.parametrize(
    ("datasets", "fault"),
    [
        ("{", "must be a list"),
        ({}, "must be a list"),
        ([{"name": "agent_disk"}], "dataset 1: pattern is needed; dataset 1: columns is needed"),
        ([dataset(name=5)], "dataset 1: name must be lower-case letters, digits and _, up to 64, not 5"),
        ([5], "dataset 1: must hold name, pattern, columns, not 5"),
        ([dataset(name="Disks")], "lower-case letters"),
        ([dataset(name="agent_os_info")], "must not be 'agent_os_info', which is reserved"),
        ([dataset(name="exports")], "must not be 'exports', which is reserved"),
        ([dataset(pattern="*")], "pattern must be a file's name"),
        ([dataset(columns={})], "at least one header"),
        (
            [dataset(columns={"a": "text"})],
            "columns 'a' must be 'string', 'bigint', 'double' or 'timestamp', not 'text'",
        ),
        ([dataset(columns={"a b": "string", "A-B": "string"})], "different names in SQL"),
        ([dataset(columns={"Other": "string"})], "different names in SQL"),
        ([dataset(columns={"%": "string"})], "different names in SQL"),
        ([dataset(), dataset(pattern="x.csv")], "unique names"),
    ],
)
def test_invalid_datasets_are_rejected_with_a_reason(datasets: object, fault: str) -> None:
    with pytest.raises(SettingsError, match=f"datasets: .*{fault}"):
        Settings.from_context({"datasets": datasets})


@pytest.mark.parametrize("none", [None, "", "null"])
def test_there_may_be_no_tags_and_no_reserved_concurrency(none: object) -> None:
    settings = Settings.from_context({"tags": none, "reservedConcurrency": none})

    assert (settings.tags, settings.reserved_concurrency) == ({}, {})


def test_a_subnet_cannot_be_named_twice() -> None:
    with pytest.raises(SettingsError, match="subnetIds: must not name one twice"):
        Existing.from_context({"vpcId": "vpc-0a1b2c3d", "subnetIds": "subnet-0a1b2c3d, subnet-0a1b2c3d"})


def test_hosts_may_come_from_the_command_line_as_json() -> None:
    settings = Settings.from_context({"downloadHosts": '["localhost:*", "127.0.0.1:*"]'})

    assert settings.download_hosts == ("localhost:*", "127.0.0.1:*")


def test_datasets_may_come_from_the_command_line() -> None:
    assert Settings.from_context({"datasets": json.dumps([dataset()])}).datasets[0].pattern == "*_disk.csv"
    assert Settings.from_context({"datasets": ""}).datasets == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bucketName", "s3://bucket"),
        ("bucketName", "Bucket"),
        ("bucketName", "192.168.1.1"),
        ("bucketName", "xn--bucket"),
        ("bucketName", "bucket..of.ours"),
        ("tableName", "arn:aws:dynamodb:us-east-1:111122223333:table/t"),
        ("keyArn", "alias/ours"),
        ("keyArn", "arn:aws:kms:us-east-1:111122223333:alias/ours"),
        ("busName", "our bus"),
        ("topicArn", "our-topic"),
        ("topicArn", "arn:aws:sns:us-east-1:111122223333:ours.fifo"),
        ("topicArn", 5),
        ("vpcId", "our-vpc"),
        ("vpcId", "vpc-0A1B2C3D"),
        ("subnetIds", ["subnet-0a1b2c3d", "vpc-0a1b2c3d"]),
        ("subnetIds", [f"subnet-{number:08x}" for number in range(17)]),
        ("securityGroupIds", "default"),
        ("securityGroupIds", [f"sg-{number:08x}" for number in range(6)]),
    ],
)
def test_invalid_names_of_existing_resources_are_rejected(name: str, value: object) -> None:
    with pytest.raises(SettingsError) as rejected:
        Existing.from_context({name: value})

    assert list(rejected.value.faults) == [name]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"vpcId": "vpc-0a1b2c3d"}, "subnetIds: is needed with vpcId"),
        ({"subnetIds": ["subnet-0a1b2c3d"]}, "vpcId: is needed with subnetIds"),
        ({"securityGroupIds": ["sg-0a1b2c3d"]}, "vpcId: is needed with subnetIds and securityGroupIds"),
    ],
)
def test_an_incomplete_network_is_rejected(given: dict[str, object], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        Deployment.from_context(given)


def test_network_tags_and_concurrency_may_come_from_the_command_line() -> None:
    deployment = Deployment.from_context(
        {
            "vpcId": "vpc-0a1b2c3d",
            "subnetIds": "subnet-0a1b2c3d, subnet-1a2b3c4d",
            "securityGroupIds": "",
            "reservedConcurrency": '{"StoreExport": 200}',
            "tags": '{"team": "Migration + Co", "cost-center": "42"}',
        }
    )

    assert deployment.subnet_ids == ("subnet-0a1b2c3d", "subnet-1a2b3c4d")
    assert deployment.security_group_ids == ()
    assert deployment.reserved_concurrency == {"StoreExport": 200}
    assert deployment.tags == {"team": "Migration + Co", "cost-center": "42"}
    assert Deployment.from_context({"tags": "", "reservedConcurrency": ""}).tags == {}


def test_a_misspelt_setting_of_an_existing_resource_is_rejected() -> None:
    with pytest.raises(SettingsError, match=r"bucketname: is unknown; did you mean bucketName\?"):
        Deployment.from_context({"bucketname": "ours"})


@pytest.mark.parametrize("region", HOME_REGIONS)
def test_every_region_of_the_service_may_be_the_home_region(region: str) -> None:
    assert Settings.from_context({"discoveryRegion": region}).discovery_region == region


def test_account_of_the_exports_is_that_of_the_role() -> None:
    role = "arn:aws-us-gov:iam::111122223333:role/path/reader"

    settings = Settings.from_context({"discoveryRoleArn": role, "discoveryExternalId": "wave-2026"})

    assert settings.discovery_account == "111122223333"
    assert Settings().discovery_account is None


def test_tables_may_begin_with_any_month_until_now() -> None:
    for month in ("2010-01", "2016-05", "2026-01", f"{datetime.now(UTC):%Y-%m}"):
        assert Settings.from_context({"tablesFrom": month}).tables_from == month


def test_tables_may_not_begin_in_a_month_that_has_not_begun() -> None:
    assert reject_later_month("2026-12", datetime(2026, 12, 1, tzinfo=UTC)) == "2026-12"
    with pytest.raises(ValueError, match="to the current one"):
        reject_later_month("2026-12", datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    "month", ["2009-12", "9999-12", "2016-00", "2016-13", "2016-5", "2016-05-01", "2016-05\n", "2016", "", 2016]
)
def test_a_text_that_is_no_month_until_now_is_rejected(month: object) -> None:
    meaning = r"a month \(yyyy-mm\) from 2010-01 to the current one \(UTC\)"
    with pytest.raises(SettingsError, match=f"tablesFrom: must be {meaning}, not"):
        Settings.from_context({"tablesFrom": month})


def test_the_architecture_is_one_of_lambda() -> None:
    assert Settings.from_context({"architecture": "x86_64"}).architecture == "x86_64"
    with pytest.raises(SettingsError, match="architecture: must be arm64 or x86_64, not 'aarch64'"):
        Settings.from_context({"architecture": "aarch64"})


def test_log_retention_may_come_from_the_command_line() -> None:
    assert Settings.from_context({"logRetentionDays": "365"}).log_retention_days == 365


def test_all_invalid_values_are_reported_together() -> None:
    with pytest.raises(SettingsError) as rejected:
        Deployment.from_context({"maxFiles": "many", "deadlineMinute": 5, "downloadHosts": 5, "keyArn": "alias/ours"})

    assert rejected.value.faults == {
        "maxFiles": "must be a whole number from 1 to 50000, not 'many'",
        "deadlineMinute": "is unknown; did you mean deadlineMinutes?",
        "downloadHosts": "must be hosts (host, host:port or host:*) in a list or with commas between them, not 5",
        "keyArn": "must be the ARN of a KMS key, not of an alias, not 'alias/ours'",
    }


def test_values_that_contradict_each_other_are_reported_together() -> None:
    with pytest.raises(SettingsError) as rejected:
        Settings(wait_ceiling_seconds=14, max_total_bytes=1, discovery_external_id="wave-2026")

    assert set(rejected.value.faults) == {"waitCeilingSeconds", "maxTotalBytes", "discoveryExternalId"}


def test_the_closest_name_is_suggested() -> None:
    with pytest.raises(SettingsError, match=r"deadlineMinute: is unknown; did you mean deadlineMinutes\?"):
        Settings.from_context({"deadlineMinute": 5})


def test_context_of_the_cdk_is_ignored() -> None:
    others = {"aws:cdk:enable-path-metadata": True, "@aws-cdk/core:target-partitions": ["aws"], "cli-telemetry": False}

    assert Settings.from_context(others) == Settings()


def test_settings_created_in_code_are_checked() -> None:
    with pytest.raises(SettingsError) as rejected:
        Settings(store_concurrency=100, batch_concurency=5, colour="red")  # type: ignore[call-arg]

    assert rejected.value.faults == {
        "storeConcurrency": "must be a whole number from 1 to 40, not 100",
        "batch_concurency": "is unknown; did you mean batchConcurrency?",
        "colour": "is unknown",
    }


@pytest.mark.parametrize("value", ["", "1st", "my stack", "a/b", "x" * 129, None, 5])
def test_stack_id_that_is_no_valid_stack_name_is_rejected(value: object) -> None:
    with pytest.raises(SettingsError, match="stackId"):
        Deployment.from_context({"stackId": value})
