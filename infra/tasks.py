"""Tasks of state machines that invoke a function or start an execution, and their retries."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.aws_stepfunctions_tasks import LambdaInvoke
from constructs import Construct

PAYLOAD = "{% $states.result.Payload %}"
LAMBDA_ERRORS = [
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.ENINotReadyException",
    "Lambda.SubnetIPAddressLimitReachedException",
]
"""Throttling and faults of Lambda: the function has not run, or its result is lost. They pass without a change here.

The first five: https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
The others, most of them of functions in a VPC: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""
LAMBDA_RETRIES = 15
"""After delays of up to 2, 4, 8 … 256 and then 300 seconds: 43 minutes at most, half of it on average."""
FUNCTION_ERRORS = ["States.TaskFailed", "States.Timeout"]
"""All other errors, as expected outcomes are data, not errors."""
FUNCTION_RETRIES = 2
"""Few, far apart, as a poll or a store of a batch may be one of hundreds."""
ALREADY_STARTED = ["StepFunctions.ExecutionAlreadyExistsException", "ExecutionAlreadyExists"]
"""The error name of the Step Functions integration, and that of the local AWS."""


def invoke(
    scope: Construct,
    name: str,
    function: lambda_.Function,
    *,
    payload: sfn.TaskInput,
    lambda_retries: int = LAMBDA_RETRIES,
    function_retries: int = FUNCTION_RETRIES,
    final: Sequence[str] = (),
) -> sfn.TaskStateBase:
    """A task that invokes a function. Errors of Lambda and errors of the function have separate retries.

    ``final`` names errors of the function that are not retried.
    """
    limit = function.timeout or Duration.minutes(15)
    task = LambdaInvoke.jsonata(
        scope,
        name,
        lambda_function=function,
        payload=payload,
        outputs=PAYLOAD,
        task_timeout=sfn.Timeout.duration(limit.plus(Duration.seconds(30))),
        retry_on_service_exceptions=False,
    )
    # Step Functions keeps the error name, so it does not retry NonRetryableError.
    task.add_retry(errors=["NonRetryableError", *final], max_attempts=0)
    task.add_retry(
        errors=LAMBDA_ERRORS,
        interval=Duration.seconds(2),
        backoff_rate=2,
        max_attempts=lambda_retries,
        max_delay=Duration.minutes(5),
        jitter_strategy=sfn.JitterType.FULL,
    )
    return task.add_retry(
        errors=FUNCTION_ERRORS,
        interval=Duration.seconds(3),
        backoff_rate=8 if function_retries == FUNCTION_RETRIES else 2,
        max_attempts=function_retries,
        max_delay=Duration.seconds(60),
        jitter_strategy=sfn.JitterType.FULL,
    )


def retry_start(start: sfn.TaskStateBase) -> sfn.TaskStateBase:
    """Retry every error of StartExecution, such as the account's limit of executions, unless the name is taken."""
    return start.add_retry(errors=ALREADY_STARTED, max_attempts=0).add_retry(
        errors=["States.TaskFailed", "States.Timeout"],
        interval=Duration.seconds(5),
        backoff_rate=2,
        max_attempts=10,
        max_delay=Duration.minutes(5),
        jitter_strategy=sfn.JitterType.FULL,
    )
