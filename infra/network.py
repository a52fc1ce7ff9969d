"""The VPC in which the functions run."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from .permissions import Permission

INTERFACE_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
"""What Lambda needs of the role of a function in a VPC, as in AWSLambdaVPCAccessExecutionRole:
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html
"""


class Network(Construct):
    """Subnets and security groups of the functions. Without ``security_groups``, one that allows outbound HTTPS only.

    Without ``subnets``, the CDK selects the private subnets of the VPC.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.vpc = vpc
        self.subnets = subnets
        self.security_groups = list(security_groups or [self._security_group()])

    def _security_group(self) -> ec2.SecurityGroup:
        """Any address, because AWS services and download URLs have no fixed ones; DNS of a VPC needs no rule."""
        group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=self.vpc,
            description="Functions of Discovery Exports: outbound HTTPS only",
            allow_all_outbound=False,
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS")
        return group

    @property
    def permissions(self) -> list[Permission]:
        """Lambda manages network interfaces with the role of the function; the function's code must not.

        Calls of the code have ``lambda:SourceFunctionArn``, calls of Lambda itself do not:
        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
        """
        functions = f"arn:{Aws.PARTITION}:lambda:{Aws.REGION}:{Aws.ACCOUNT_ID}:function:*"
        return [
            Permission(
                actions=INTERFACE_ACTIONS,
                resources=["*"],
                reason="Lambda creates network interfaces whose ids are not known; the function's own code is denied.",
            ),
            Permission(
                effect=iam.Effect.DENY,
                actions=INTERFACE_ACTIONS,
                resources=["*"],
                conditions={"ArnLike": {"lambda:SourceFunctionArn": functions}},
            ),
        ]
