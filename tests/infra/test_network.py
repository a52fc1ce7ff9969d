"""The functions in a VPC: subnets, security groups, permissions, and the endpoints that a closed VPC needs."""

import re

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_ec2 as ec2

from discovery_exports.locations import FUNCTIONS
from infra.discovery_exports import DiscoveryExports
from infra.settings.settings import Existing, Settings
from tests.infra.synthesis import make_vpc, of_stack, synthesized
from tests.infra.template import Template
from tests.infra.test_functions import NAMES
from tests.infra.test_settings import ROOT

INTERFACES = [
    "AssignPrivateIpAddresses",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "UnassignPrivateIpAddresses",
]
VPC, SUBNETS, GROUPS = "vpc-0a1b2c3d", ("subnet-0a1b2c3d", "subnet-1a2b3c4d"), ("sg-0a1b2c3d",)


@pytest.fixture(scope="module")
def by_id() -> Template:
    """A stack in a VPC whose ids are settings."""
    return of_stack(Settings(), Existing(vpc_id=VPC, subnet_ids=SUBNETS, security_group_ids=GROUPS))


def test_functions_are_in_no_vpc_by_default(template: Template) -> None:
    assert not [name for name in NAMES if "VpcConfig" in template.properties(name)]
    assert not template.of_type("AWS::EC2::SecurityGroup")
    assert "ec2:" not in str([template.permissions(f"{name}Role") for name in NAMES])


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_in_the_subnets_and_security_groups_of_the_settings(by_id: Template, name: str) -> None:
    assert by_id.properties(name)["VpcConfig"] == {"SubnetIds": list(SUBNETS), "SecurityGroupIds": list(GROUPS)}
    assert not by_id.of_type("AWS::EC2::SecurityGroup"), "given groups replace the stack's own"


def test_given_security_groups_get_no_rules(by_id: Template) -> None:
    assert not by_id.of_type("AWS::EC2::SecurityGroupEgress")
    assert not by_id.of_type("AWS::EC2::SecurityGroupIngress")


def test_the_own_security_group_allows_outbound_https_and_nothing_else(everything: Template) -> None:
    (group,) = everything.of_type("AWS::EC2::SecurityGroup").values()

    (rule,) = group["Properties"]["SecurityGroupEgress"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == ("tcp", 443, 443, "0.0.0.0/0")
    assert "SecurityGroupIngress" not in group["Properties"]
    for name in NAMES:
        (used,) = everything.properties(name)["VpcConfig"]["SecurityGroupIds"]
        assert everything.text(used) == "<Network/SecurityGroup.GroupId>"


@pytest.mark.parametrize("name", NAMES)
def test_lambda_may_manage_network_interfaces_and_the_code_may_not(everything: Template, name: str) -> None:
    lines = everything.permissions(f"{name}Role")

    assert [line for line in lines if line.startswith("ec2:")] == [f"ec2:{action} on *" for action in INTERFACES]
    denied = [line for line in lines if line.startswith("deny ")]
    assert [line.partition(" on ")[0] for line in denied] == [f"deny ec2:{action}" for action in INTERFACES]
    assert all('"ArnLike": {"lambda:SourceFunctionArn"' in line for line in denied)


def test_the_construct_accepts_subnets_and_security_groups() -> None:
    def make(app: App) -> Stack:
        stack = Stack(app, "Theirs")
        vpc = make_vpc(stack)
        group = ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-1a2b3c4d")
        subnet = ec2.Subnet.from_subnet_id(stack, "Subnet", "subnet-2a3b4c5d")
        DiscoveryExports(
            stack,
            "Exports",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[subnet]),
            security_groups=[group],
            settings=Settings(tables=False, watching=False),
        )
        return stack

    theirs = synthesized(make)

    assert theirs.properties("Functions/PlanRun")["VpcConfig"] == {
        "SubnetIds": ["subnet-2a3b4c5d"],
        "SecurityGroupIds": ["sg-1a2b3c4d"],
    }


def test_the_page_for_reviewers_lists_an_endpoint_for_every_client_of_the_functions() -> None:
    """A function in a VPC without internet reaches a service only through an endpoint.

    botocore creates the client for AWS STS.
    """
    sources = [path.read_text("utf-8") for path in FUNCTIONS.rglob("*.py")]
    clients = {name for source in sources for name in re.findall(r'\.client\("([a-z0-9-]+)"', source)}

    page = (ROOT / "docs" / "approval.md").read_text("utf-8")

    assert {"discovery", "s3", "dynamodb", "events"} <= clients
    assert {*clients, "sts"} <= set(re.findall(r"^\| `com\.amazonaws\.<region>\.([a-z0-9-]+)` \|", page, re.MULTILINE))
