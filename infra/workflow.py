"""The workflow: polls every export until it is settled, stores what is ready, reports. See ``_path`` at the end."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .functions import Functions
from .logs import STATE_MACHINES, log_group
from .permissions import LOG_DELIVERY_PERMISSION, Permission, acknowledge, acknowledge_wildcards, make_role
from .tasks import FUNCTION_RETRIES, invoke

INPUT = "{% $states.input %}"
EXECUTION = "{% $states.context.Execution %}"
COUNTED_INPUT = '{% $merge([$states.input, {"retryCount": $states.context.State.RetryCount}]) %}'
"""The input with the number of retries of this task so far, as each retry adds events to the history of a batch."""
REPORT_RETRIES = 4
MAY_RETRY = f"{{% $states.context.State.RetryCount < {REPORT_RETRIES} ? true : false %}}"
"""Whether an error of this attempt would be retried, whatever the errors of the attempts before it were."""
BATCH_RESULTS = """{% [$states.result.{
  "batch": batch, "pending": pending, "error": error, "cause": cause,
  "Input": Input, "Status": Status, "Error": Error, "Cause": $substring($string(Cause), 0, 64)
}] %}"""
"""Of each child execution its output, or those members of its description that tell which batch failed and why.

Without a ResultWriter, the result of a Distributed Map has the outputs (COMPACT), and of a child that failed what the
transformation NONE gives: its description. The causes of many of them could exceed the limit of 256 KiB.
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""
LABEL = "batch"
"""Label of the child executions, one per batch; part of their ARNs."""
TIME_LIMIT = Duration.days(7).plus(Duration.hours(6))
"""The longest deadline, plus the time of the last tasks before it with all their retries."""
STORE_LAMBDA_RETRIES = 8
"""After delays of up to 2, 4, 8 … 256 seconds: 8 minutes at most. Then the export waits for its next poll."""


def failure(length: int) -> dict[str, str]:
    """The error and the first ``length`` characters of its cause, which is empty if there is none."""
    return {
        "error": "{% $states.errorOutput.Error %}",
        "cause": f'{{% $substring($states.errorOutput.Cause & "", 0, {length}) %}}',
    }


class Workflow(Construct):
    """Runs the functions until every export of a run is settled or the run's deadline has passed."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        batch_concurrency: int,
        store_concurrency: int,
        log_days: int,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._functions = functions
        self._batch_concurrency = batch_concurrency
        self._store_concurrency = store_concurrency
        self._log_days = log_days
        self._key = key
        self._role = self._make_role()
        self.state_machine = self._state_machine()
        self.children_policy = self._allow_child_executions()

    def _state_machine(self) -> sfn.StateMachine:
        log = log_group(self, "Logs", days=self._log_days, key=self._key, prefix=STATE_MACHINES)
        machine = sfn.StateMachine(
            self,
            "StateMachine",
            comment="Stores exports of AWS Application Discovery Service in S3",
            definition_body=sfn.DefinitionBody.from_chainable(self._path()),
            query_language=sfn.QueryLanguage.JSONATA,
            role=self._role.without_policy_updates(),
            timeout=TIME_LIMIT,
            logs=sfn.LogOptions(destination=log, level=sfn.LogLevel.ERROR, include_execution_data=False),
        )
        acknowledge(machine, "AwsSolutions-SF1", "The history keeps every event for 90 days; errors are logged.")
        acknowledge(machine, "AwsSolutions-SF2", "The history times each step; tracing would slow cold starts.")
        return machine

    def _make_role(self) -> iam.Role:
        """Step Functions may assume the role for state machines of this account only."""
        machines = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:stateMachine:*"
        conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": machines}}
        return make_role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com", conditions=conditions),
            permissions=[self._invoke_permission(), LOG_DELIVERY_PERMISSION],
        )

    def _invoke_permission(self) -> Permission:
        functions = [function.function_arn for function in self._functions.of_workflow]
        return Permission(actions=["lambda:InvokeFunction"], resources=functions)

    def _allow_child_executions(self) -> iam.Policy:
        """Allow the Distributed Map to start child executions, in a policy created after the role and state machine.

        It replaces the policy of the CDK, which cannot be attached to a role without policy updates. A run that starts
        before the policy is in effect fails, so what starts runs by itself has to depend on it.
        """
        self.state_machine.node.try_remove_child("DistributedMapPolicy")
        permissions = self._child_permissions()
        statements = [permission.statement() for permission in permissions]
        policy = iam.Policy(self, "Children", roles=[self._role], statements=statements)
        acknowledge_wildcards(policy, permissions)
        return policy

    def _child_permissions(self) -> list[Permission]:
        machine = self.state_machine
        children = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:execution:{machine.state_machine_name}"
        reason = "Limited to executions of this state machine, whose names are not known in advance."
        return [
            Permission(actions=["states:StartExecution"], resources=[machine.state_machine_arn]),
            Permission(
                actions=["states:DescribeExecution", "states:StopExecution"],
                resources=[f"{children}:*"],
                reason=reason,
            ),
            Permission(actions=["states:RedriveExecution"], resources=[f"{children}/{LABEL}:*"], reason=reason),
        ]

    def _plan_run(self) -> sfn.TaskStateBase:
        payload = sfn.TaskInput.from_object({"execution": EXECUTION})
        return invoke(self, "Plan run", self._functions.plan_run, payload=payload, function_retries=4)

    def _input_accepted(self, *, invalid: sfn.IChainable, accepted: sfn.IChainable) -> sfn.Choice:
        """Pass the array of batches as the whole state, the simplest input of a Distributed Map."""
        return (
            sfn.Choice.jsonata(self, "Input accepted?")
            .when(sfn.Condition.jsonata("{% $exists($states.input.invalid) %}"), invalid)
            .when(
                sfn.Condition.jsonata("{% $exists($states.input.batches) %}"),
                accepted,
                outputs="{% $states.input.batches %}",
            )
        )

    def _invalid_input(self) -> sfn.Fail:
        return sfn.Fail.jsonata(self, "Invalid input", error="InvalidInput", cause="{% $states.input.invalid %}")

    def _settle_each_batch(self, batch: sfn.IChainable) -> sfn.DistributedMap:
        """Each batch is a child execution with its own history; a failed batch does not affect the others."""
        return sfn.DistributedMap.jsonata(
            self,
            "Settle each batch",
            items=sfn.ProvideItems.jsonata(INPUT),
            label=LABEL,
            map_execution_type=sfn.StateMachineType.STANDARD,
            max_concurrency=self._batch_concurrency,
            tolerated_failure_percentage=100,
            outputs=BATCH_RESULTS,
        ).item_processor(batch)

    def _check_exports(self) -> sfn.TaskStateBase:
        check = invoke(
            self, "Check exports", self._functions.check_exports, payload=sfn.TaskInput.from_text(COUNTED_INPUT)
        )
        return check.add_catch(
            sfn.Pass.jsonata(self, "Batch not settled"),
            errors=["States.ALL"],
            outputs={"batch": "{% $states.input.batch.number %}", **failure(64)},
        )

    def _anything_pending(
        self, *, settled: sfn.IChainable, ready: sfn.IChainable, waiting: sfn.IChainable
    ) -> sfn.Choice:
        return (
            sfn.Choice.jsonata(self, "Anything pending?")
            .when(sfn.Condition.jsonata("{% $states.input.pending = 0 %}"), settled)
            .when(sfn.Condition.jsonata("{% $count($states.input.ready) > 0 %}"), ready)
            .otherwise(waiting)
        )

    def _store_each_export(self) -> sfn.Map:
        """The output is the input plus ``results``, one for each item, in order."""
        return sfn.Map.jsonata(
            self,
            "Store each export",
            items=sfn.ProvideItems.jsonata("{% $states.input.ready %}"),
            item_selector={"batch": "{% $states.input.batch %}", "item": "{% $states.context.Map.Item.Value %}"},
            max_concurrency=self._store_concurrency,
            outputs='{% $merge([$states.input, {"results": $states.result}]) %}',
        ).item_processor(self._store_export())

    def _store_export(self) -> sfn.TaskStateBase:
        """A failure counts as if it had used all retries."""
        store = invoke(
            self,
            "Store export",
            self._functions.store_export,
            payload=sfn.TaskInput.from_text(COUNTED_INPUT),
            lambda_retries=STORE_LAMBDA_RETRIES,
            final=["Sandbox.Timedout"],
        )
        return store.add_catch(
            sfn.Pass.jsonata(self, "Storing failed"),
            errors=["States.ALL"],
            outputs={**failure(64), "retries": STORE_LAMBDA_RETRIES + FUNCTION_RETRIES},
        )

    def _wait(self) -> sfn.Wait:
        time = sfn.WaitTime.timestamp("{% $states.input.nextCheckAt %}")
        return sfn.Wait.jsonata(self, "Wait", time=time)

    def _report_run(self) -> sfn.TaskStateBase:
        """The payload has the run's name but not its input, which may be as large as the payload limit."""
        payload = {
            "execution": {"Name": "{% $states.context.Execution.Name %}"},
            "batches": INPUT,
            "mayRetry": MAY_RETRY,
        }
        return invoke(
            self,
            "Report run",
            self._functions.report_run,
            payload=sfn.TaskInput.from_object(payload),
            function_retries=REPORT_RETRIES,
        )

    def _all_stored(self) -> sfn.Choice:
        failed = sfn.Fail.jsonata(
            self, "Exports not stored", error="ExportsNotStored", cause="{% $states.input.failure %}"
        )
        return (
            sfn.Choice.jsonata(self, "All stored?")
            .when(sfn.Condition.jsonata("{% $exists($states.input.failure) %}"), failed)
            .when(
                sfn.Condition.jsonata("{% $exists($states.input.output) %}"),
                sfn.Succeed(self, "Run done"),
                outputs="{% $states.input.output %}",
            )
        )

    def _batch(self) -> sfn.IChainable:
        """The path of one batch, a loop until nothing is pending."""
        check = self._check_exports()
        return check.next(
            self._anything_pending(
                settled=sfn.Succeed(self, "Batch settled"),
                ready=self._store_each_export().next(check),
                waiting=self._wait().next(check),
            )
        )

    def _path(self) -> sfn.IChainable:
        """The path of a run."""
        return self._plan_run().next(
            self._input_accepted(
                invalid=self._invalid_input(),
                accepted=self._settle_each_batch(self._batch()).next(self._report_run()).next(self._all_stored()),
            )
        )
