"""The alarms of a stack, and values of their metrics: the local AWS publishes few metrics itself."""

from typing import TYPE_CHECKING, Any

from local.stack.aws import LocalAws
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient


class Alarms:
    """The alarms of one stack, by the ids of their constructs."""

    def __init__(self, aws: LocalAws, stack_id: str) -> None:
        self._cloudwatch: CloudWatchClient = aws.client("cloudwatch")
        self._prefix = f"{stack_id}-ExportsWatching"

    def all(self) -> list[Any]:
        return list(self._cloudwatch.describe_alarms(AlarmNamePrefix=self._prefix)["MetricAlarms"])

    def __getitem__(self, name: str) -> Any:
        """The name of an alarm has the name of the stack, that of the construct and a hash, in this order."""
        (found,) = (each for each in self.all() if each["AlarmName"].startswith(f"{self._prefix}{name}"))
        return found

    def put_above_threshold(self, name: str) -> None:
        found = self[name]
        value = found["Threshold"] + 1
        point: Any = {"MetricName": found["MetricName"], "Dimensions": found["Dimensions"], "Value": value}
        self._cloudwatch.put_metric_data(Namespace=found["Namespace"], MetricData=[point])

    def wait_for_alarm(self, name: str) -> None:
        until(lambda: self[name]["StateValue"] == "ALARM", what=f"{name} in ALARM")
