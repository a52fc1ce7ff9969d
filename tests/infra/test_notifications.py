"""Notifications are not lost, and no other rule can send them."""

import pytest

from exports.outcomes.events import NOT_FOUND_EVENT, SOURCE, VERSION
from exports.outcomes.outcome import Outcome
from infra import notifications
from infra.settings.rules import SettingsError
from infra.settings.settings import Existing, Settings
from tests.infra.synthesis import of_stack
from tests.infra.template import Template


def test_rule_matches_every_outcome_except_stored(template: Template) -> None:
    """Exports that were not found have one event for each run, which the rule matches instead."""
    pattern = template.properties("Announcements/NotStored")["EventPattern"]

    expected = [each for each in Outcome if each is not Outcome.STORED]
    types = [each.event_type if each is not Outcome.NOT_FOUND else NOT_FOUND_EVENT for each in expected]
    assert pattern["detail-type"] == types
    assert pattern["detail"]["data"] == {"outcome": expected}
    assert notifications.SOURCE == SOURCE


def test_attack_06_rule_matches_only_events_of_this_account_with_the_form_of_this_stack(template: Template) -> None:
    pattern = template.properties("Announcements/NotStored")["EventPattern"]
    account, region = {"Ref": "AWS::AccountId"}, {"Ref": "AWS::Region"}

    assert [template.text(arn) for arn in pattern["resources"]] == ["<Storage/Catalog.Arn>"]
    assert (pattern["source"], pattern["account"]) == ([SOURCE], [account])
    assert pattern["detail"]["version"] == [VERSION]
    assert pattern["detail"]["metadata"] == {"account": [account], "region": [region]}


def test_attack_06_rule_matches_events_of_exports_of_another_account() -> None:
    role = "arn:aws:iam::999999999999:role/exports-reader"
    stack = of_stack(Settings(discovery_role_arn=role, discovery_region="eu-central-1"))

    metadata = stack.properties("Announcements/NotStored")["EventPattern"]["detail"]["metadata"]

    assert metadata == {"account": ["999999999999"], "region": ["eu-central-1"]}


def test_attack_06_own_bus_accepts_events_of_the_functions_only() -> None:
    stack = of_stack(Settings(own_bus=True))
    (policy,) = stack.of_type("AWS::Events::EventBusPolicy").values()
    statement = policy["Properties"]["Statement"]
    allowed = statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]

    assert (statement["Effect"], statement["Action"]) == ("Deny", "events:PutEvents")
    assert statement["Principal"] in ("*", {"AWS": "*"})
    roles = [f"<Functions/{name}Role.Arn>" for name in ("CheckExports", "StoreExport", "ReportRun")]
    assert [stack.text(arn) for arn in allowed] == roles
    assert stack.text(statement["Resource"]) == "<Announcements/OwnBus.Arn>"
    for name in ("CheckExports", "StoreExport", "ReportRun"):
        environment = stack.properties(f"Functions/{name}")["Environment"]["Variables"]
        assert stack.text(environment["EVENT_BUS_NAME"]) == "<Announcements/OwnBus>"
    assert stack.text(stack.properties("Announcements/NotStored")["EventBusName"]) == "<Announcements/OwnBus>"
    assert "BusName" in stack.document["Outputs"]


def test_own_bus_and_an_existing_bus_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match="ownBus: cannot be set with an existing bus"):
        of_stack(Settings(own_bus=True), Existing(bus_name="theirs"))


def test_undeliverable_messages_go_to_a_dead_letter_queue(template: Template) -> None:
    (target,) = template.properties("Announcements/NotStored")["Targets"]
    queue = template.properties("Announcements/DeadLetters")

    assert template.text(target["Arn"]) == "<Announcements/Topic>"
    assert template.text(target["DeadLetterConfig"]["Arn"]) == "<Announcements/DeadLetters.Arn>"
    assert queue == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}


def test_queue_accepts_only_messages_of_the_rules_over_tls(template: Template) -> None:
    statements = template.properties("Announcements/DeadLetters/Policy")["PolicyDocument"]["Statement"]
    denied, *allowed = statements
    rules = [template.text(each["Condition"]["ArnEquals"]["aws:SourceArn"]) for each in allowed]

    assert (denied["Effect"], denied["Action"]) == ("Deny", "sqs:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert {(each["Action"], each["Principal"]["Service"]) for each in allowed} == {
        ("sqs:SendMessage", "events.amazonaws.com")
    }
    alarms = [f"<Watching/AlarmsChanged{number}.Arn>" for number in (1, 2, 3)]
    assert sorted(rules) == ["<Announcements/NotStored.Arn>", *alarms]


def test_topic_is_encrypted_and_rejects_publishing_without_tls(template: Template) -> None:
    topic = template.properties("Announcements/Topic")
    (denied,) = template.properties("Announcements/Topic/Policy")["PolicyDocument"]["Statement"]

    assert template.text(topic["KmsMasterKeyId"]).endswith(":alias/aws/sns")
    assert (denied["Effect"], denied["Action"], denied["Principal"]) == ("Deny", "sns:Publish", "*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_rule_publishes_with_a_role(template: Template) -> None:
    """The AWS managed key of SNS lets roles of the account publish, but not the service EventBridge."""
    (target,) = template.properties("Announcements/NotStored")["Targets"]

    assert template.text(target["RoleArn"]) == "<Announcements/Publisher.Arn>"
