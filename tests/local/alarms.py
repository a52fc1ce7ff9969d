"""The alarms of a stack and their metrics, which are put by hand: the local AWS has few of its own."""

from typing import TYPE_CHECKING, Any

from local.stack.aws import LocalAws
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient


class Alarms:
    """Those of the stack with that id alone, by the ids of their constructs."""

    def __init__(self, aws: LocalAws, stack_id: str) -> None:
        self._watch: CloudWatchClient = aws.client("cloudwatch")
        self._prefix = f"{stack_id}-ExportsWatching"

    def all(self) -> list[Any]:
        return list(self._watch.describe_alarms(AlarmNamePrefix=self._prefix)["MetricAlarms"])

    def __getitem__(self, name: str) -> Any:
        """CloudFormation puts the stack's name before that of the construct and a hash behind it."""
        (found,) = (each for each in self.all() if each["AlarmName"].startswith(f"{self._prefix}{name}"))
        return found

    def put_above_threshold(self, name: str) -> None:
        found = self[name]
        value = found["Threshold"] + 1
        point: Any = {"MetricName": found["MetricName"], "Dimensions": found["Dimensions"], "Value": value}
        self._watch.put_metric_data(Namespace=found["Namespace"], MetricData=[point])

    def rings(self, name: str) -> None:
        until(lambda: self[name]["StateValue"] == "ALARM", what=f"{name} rings")
