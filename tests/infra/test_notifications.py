"""Notifications are not lost, and no other rule can send them."""

from exports.outcomes.events import SOURCE
from exports.outcomes.outcome import Outcome
from infra import notifications
from tests.infra.template import Template


def test_rule_matches_every_outcome_except_stored(template: Template) -> None:
    pattern = template.properties("Announcements/NotStored")["EventPattern"]

    assert [template.text(arn) for arn in pattern.pop("resources")] == ["<Storage/Catalog.Arn>"]
    excluded = [each.event_type for each in Outcome if not each.to_topic]
    assert pattern == {"source": [SOURCE], "detail-type": [{"anything-but": excluded}]}
    assert notifications.SOURCE == SOURCE


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
