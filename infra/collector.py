"""The collector: a state machine that starts exports every 15 minutes, and hands them to a run. See ``_path``."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.aws_stepfunctions_tasks import StepFunctionsStartExecution
from constructs import Construct

from .dead_letter_queue import dead_letter_queue
from .logs import STATE_MACHINES, log_group
from .permissions import LOG_DELIVERY_PERMISSION, Permission, acknowledge, make_role
from .schedules import make_schedule, schedule_role
from .settings.collect import Collect
from .tasks import ALREADY_STARTED, invoke, retry_start

TICK = "rate(15 minutes)"
"""The interval in which agents send data."""
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""Scheduler puts the time of the schedule in its place:
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
"""
RUN_NAME = "{% 'collect-' & $hash($states.context.Execution.Name, 'SHA-256') %}"
"""A tick starts at most one run, however often its start is repeated."""


class Collector(Construct):
    """Starts exports within the limits of the service. Created only with the setting ``collect``.

    The definition of the state machine has the setting: a list of agents may be too long for the environment of the
    function. A schedule of the summary or the recommendations only tells the function that one is due, and the function
    starts it when it can.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        collect: Collect,
        function: lambda_.Function,
        state_machine: sfn.StateMachine,
        log_days: int,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._collect = collect
        self._function = function
        self._runs = state_machine
        self.dead_letter_queue: sqs.Queue = dead_letter_queue(self, "ticks that could not be started", key=key)
        self.state_machine = self._state_machine(log_days, key)
        self._schedules(key)

    def _state_machine(self, log_days: int, key: kms.IKey | None) -> sfn.StateMachine:
        """The timeout is that of all retries together."""
        log = log_group(self, "Logs", days=log_days, key=key, prefix=STATE_MACHINES)
        machine = sfn.StateMachine(
            self,
            "StateMachine",
            comment="Starts exports of AWS Application Discovery Service, and runs that store them",
            definition_body=sfn.DefinitionBody.from_chainable(self._path()),
            query_language=sfn.QueryLanguage.JSONATA,
            role=self._role().without_policy_updates(),
            timeout=Duration.hours(2),
            logs=sfn.LogOptions(destination=log, level=sfn.LogLevel.ERROR, include_execution_data=False),
        )
        acknowledge(machine, "AwsSolutions-SF1", "Its history keeps every event for 90 days; errors are logged.")
        acknowledge(machine, "AwsSolutions-SF2", "It makes up to two calls; the execution history has their duration.")
        return machine

    def _role(self) -> iam.Role:
        """Step Functions may assume the role for state machines of this account only."""
        machines = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:stateMachine:*"
        conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": machines}}
        return make_role(
            self,
            "MachineRole",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com", conditions=conditions),
            permissions=[
                Permission(actions=["lambda:InvokeFunction"], resources=[self._function.function_arn]),
                Permission(actions=["states:StartExecution"], resources=[self._runs.state_machine_arn]),
                LOG_DELIVERY_PERMISSION,
            ],
        )

    def _schedules(self, key: kms.IKey | None) -> None:
        role = schedule_role(self, self.state_machine, self.dead_letter_queue, key)
        recommendations = self._collect.recommendations
        expressions = {
            "Tick": TICK,
            "Summary": self._collect.summary,
            "Recommendations": recommendations.schedule if recommendations else None,
        }
        for name, expression in expressions.items():
            if expression:
                make_schedule(
                    self,
                    name,
                    "Starts the collector of Discovery Exports",
                    expression=expression,
                    input={} if name == "Tick" else {"due": name.lower(), "scheduledAt": SCHEDULED_TIME},
                    state_machine=self.state_machine,
                    role=role,
                    dead_letter_queue=self.dead_letter_queue,
                )

    def _collect_exports(self) -> sfn.TaskStateBase:
        """After its retries, the execution fails, and the next tick goes on: the table has all that it needs."""
        payload = {"collect": dict(self._collect.payload()), "input": "{% $states.input %}"}
        return invoke(
            self,
            "Collect exports",
            self._function,
            payload=sfn.TaskInput.from_object(payload),
            lambda_retries=8,
            function_retries=5,
        )

    def _anything_to_store(self, *, start: sfn.IChainable, done: sfn.IChainable) -> sfn.Choice:
        return (
            sfn.Choice.jsonata(self, "Anything to store?")
            .when(sfn.Condition.jsonata("{% $count($states.input.exportIds) > 0 %}"), start)
            .otherwise(done)
        )

    def _start_run(self, done: sfn.IChainable) -> sfn.IChainable:
        """Does not wait for the run: the next ticks read its outcomes in the catalog."""
        unchanged = "{% $states.input %}"
        start = StepFunctionsStartExecution.jsonata(
            self,
            "Start run",
            state_machine=self._runs,
            name=RUN_NAME,
            input=sfn.TaskInput.from_object({"exportIds": "{% $states.input.exportIds %}", "onFailure": "report"}),
            outputs=unchanged,
        )
        return retry_start(start).add_catch(done, errors=ALREADY_STARTED, outputs=unchanged).next(done)

    def _could_it_work(self) -> sfn.Choice:
        """An execution that fails is what the alarm CollectorFailed counts."""
        failure = "$states.input.failure"
        failed = sfn.Fail.jsonata(
            self, "Call failed", error=f"{{% {failure}.error %}}", cause=f"{{% {failure}.cause %}}"
        )
        return (
            sfn.Choice.jsonata(self, "Could it call the service?")
            .when(sfn.Condition.jsonata(f"{{% $exists({failure}) %}}"), failed)
            .otherwise(sfn.Succeed(self, "Tick done"))
        )

    def _path(self) -> sfn.IChainable:
        """The path of a tick."""
        done = self._could_it_work()
        return self._collect_exports().next(self._anything_to_store(start=self._start_run(done), done=done))
