"""The exact permissions of each role."""

import pytest

from tests.infra.template import Template

EVENTS = (
    "events:PutEvents on arn:<AWS::Partition>:events:<AWS::Region>:<AWS::AccountId>:event-bus/default"
    ' if {"ForAllValues:StringEquals": {"events:source": "discovery.exports"}}'
)
LOG_DELIVERIES = (
    "CreateLogDelivery",
    "DeleteLogDelivery",
    "DescribeLogGroups",
    "DescribeResourcePolicies",
    "GetLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "UpdateLogDelivery",
)
CHILDREN = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<Workflow/StateMachine.Name>"

ALLOWED = {
    "Functions/PlanRunRole": [
        "discovery:DescribeExportTasks on *",
        "dynamodb:BatchGetItem on <Storage/Catalog.Arn>",
        "s3:PutObject on <Storage/Bucket.Arn>/runs/*",
    ],
    "Functions/CheckExportsRole": [
        "discovery:DescribeExportTasks on *",
        "dynamodb:BatchGetItem on <Storage/Catalog.Arn>",
        "dynamodb:UpdateItem on <Storage/Catalog.Arn>",
        "s3:GetObject on <Storage/Bucket.Arn>/runs/*",
        EVENTS,
    ],
    "Functions/StoreExportRole": [
        "discovery:DescribeExportTasks on *",
        "dynamodb:UpdateItem on <Storage/Catalog.Arn>",
        "s3:ListBucket on <Storage/Bucket.Arn>",
        "s3:ListBucketMultipartUploads on <Storage/Bucket.Arn>",
        "s3:GetObject on <Storage/Bucket.Arn>/runs/*",
        *(
            f"s3:{action} on <Storage/Bucket.Arn>/{prefix}/*"
            for action in ("GetObject", "PutObject")
            for prefix in ("raw", "data", "manifests", "work")
        ),
        *(
            f"s3:{action} on <Storage/Bucket.Arn>/{prefix}/*"
            for action in ("AbortMultipartUpload", "DeleteObject")
            for prefix in ("data", "work")
        ),
        *(
            f"s3:{action} on <Storage/Bucket.Arn>/raw/*"
            for action in ("ListMultipartUploadParts", "AbortMultipartUpload")
        ),
        *(
            f"s3:{action} on <Storage/Bucket.Arn>/tables/*"
            for action in ("GetObject", "PutObject", "AbortMultipartUpload")
        ),
        EVENTS,
    ],
    "Functions/ReportRunRole": [
        "dynamodb:BatchGetItem on <Storage/Catalog.Arn>",
        "dynamodb:UpdateItem on <Storage/Catalog.Arn>",
        "s3:GetObject on <Storage/Bucket.Arn>/runs/*",
        "s3:PutObject on <Storage/Bucket.Arn>/runs/*",
        "dynamodb:Query on <Storage/Catalog.Arn>/index/ByStatus",
        "s3:PutObject on <Storage/Bucket.Arn>/status/index.html",
        EVENTS,
    ],
    "Workflow/Role": [
        *(
            f"lambda:InvokeFunction on <Functions/{function}.Arn>"
            for function in ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
        ),
        *(f"logs:{action} on *" for action in LOG_DELIVERIES),
    ],
    "Announcements/Publisher": ["sns:Publish on <Announcements/Topic>"],
}


@pytest.mark.parametrize("role", ALLOWED)
def test_role_has_exactly_these_permissions(template: Template, role: str) -> None:
    allowed = template.permissions(role)

    assert allowed == sorted([*ALLOWED[role], *logging(role)])


def test_workflow_may_start_only_itself(template: Template) -> None:
    assert template.permissions("Workflow/Children") == [
        f"states:DescribeExecution on {CHILDREN}:*",
        f"states:RedriveExecution on {CHILDREN}/batch:*",
        "states:StartExecution on <Workflow/StateMachine>",
        f"states:StopExecution on {CHILDREN}:*",
    ]


def test_there_are_no_other_roles_and_no_managed_policies(template: Template) -> None:
    roles = template.of_type("AWS::IAM::Role")

    assert set(roles) == set(ALLOWED)
    assert set(template.of_type("AWS::IAM::Policy")) == {"Workflow/Children"}
    assert not template.of_type("AWS::IAM::ManagedPolicy")
    assert all("ManagedPolicyArns" not in role["Properties"] for role in roles.values())


@pytest.mark.parametrize(
    ("role", "service", "source"),
    [
        ("Workflow/Role", "states.amazonaws.com", ":states:<AWS::Region>:<AWS::AccountId>:stateMachine:*"),
        ("Announcements/Publisher", "events.amazonaws.com", ":events:<AWS::Region>:<AWS::AccountId>:rule/*"),
    ],
)
def test_services_assume_roles_only_for_this_account(template: Template, role: str, service: str, source: str) -> None:
    (trust,) = template.properties(role)["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Principal"] == {"Service": service}
    assert template.text(trust["Condition"]["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"
    assert template.text(trust["Condition"]["ArnLike"]["aws:SourceArn"]).endswith(source)


def test_every_service_but_lambda_assumes_roles_only_for_this_account(everything: Template) -> None:
    """Why not Lambda, and not for single resources: docs/decisions/0012-trusts-name-kinds-of-resources.md."""
    trusts = [
        statement
        for role in everything.of_type("AWS::IAM::Role").values()
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    ]
    unlimited = [each["Principal"] for each in trusts if "Condition" not in each]
    limited = [each["Condition"] for each in trusts if "Condition" in each]

    assert unlimited == [{"Service": "lambda.amazonaws.com"}] * 5
    assert len(limited) == 7
    for condition in limited:
        assert everything.text(condition["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"
        assert ":<AWS::Region>:<AWS::AccountId>:" in everything.text(condition["ArnLike"]["aws:SourceArn"])


def test_no_role_can_read_or_change_the_access_logs(everything: Template) -> None:
    granted = [line for role in everything.of_type("AWS::IAM::Role") for line in everything.permissions(role)]
    statements = everything.properties("Storage/AccessLogs/Policy")["PolicyDocument"]["Statement"]

    assert not [line for line in granted if "AccessLogs" in line]
    assert not [line for line in granted if line.startswith("s3:") and " on <Storage/Bucket.Arn>" not in line]
    assert [each["Principal"] for each in statements if each["Effect"] == "Allow"] == [
        {"Service": "logging.s3.amazonaws.com"}
    ]


def test_no_function_can_delete_a_log(everything: Template) -> None:
    roles = [role for role in everything.of_type("AWS::IAM::Role") if role.startswith("Functions/")]
    granted = {line.partition(" ")[0] for role in roles for line in everything.permissions(role)}

    assert {action for action in granted if action.startswith("logs:")} == {"logs:CreateLogStream", "logs:PutLogEvents"}


def logging(role: str) -> list[str]:
    """Permissions of the role of a function for its log."""
    if not role.startswith("Functions/"):
        return []
    log_group = f"<{role.removesuffix('Role')}Logs.Arn>"
    return [f"logs:CreateLogStream on {log_group}", f"logs:PutLogEvents on {log_group}"]
