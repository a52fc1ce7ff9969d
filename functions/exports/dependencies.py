"""The adapters of a function, built on first use and cached while it is warm, and what all handlers share."""

import gc
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from exports import redaction
from exports.aws.assume_role import session_as
from exports.aws.discovery import DiscoveryService, discovery_client
from exports.errors import ExportsError, ServiceError
from exports.keys import batch_key
from exports.outcomes.catalog import Catalog
from exports.outcomes.events import EventPublisher
from exports.outcomes.metrics import measure, record_call
from exports.outcomes.recorder import OutcomeRecorder
from exports.runs import Batch
from exports.s3.bucket import Bucket, s3_client
from exports.settings import SettingError, Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient

    from exports.collecting.table import CollectingTable
    from exports.outcomes.catalog_index import CatalogIndex

redaction.install_log_filter()
logger = Logger(json_serializer=lambda record: json.dumps(redaction.redact_value(record), default=str))
"""Redacts the fields of a log record, as the log filter redacts its message."""

T = TypeVar("T")
Handler = Callable[[Any, LambdaContext], dict[str, Any]]

PAGE_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=5)
"""For reads of the status page, without which a run ends as well."""
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 7}, connect_timeout=3, read_timeout=5)
"""For DynamoDB and EventBridge. If the last attempt fails, the invocation fails and the workflow retries it.

The index ByStatus has one partition key for each status, and DynamoDB throttles the writes of a key above 1,000 units a
second, which a first sweep of thousands of failed exports can reach. The delays of up to 1, 2, 4 … 20 seconds add up to
51 seconds. With the timeouts, a call ends within the time limit of every function.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/gsi-throttling.html
"""


def lambda_handler(handle: Handler) -> Handler:
    """Decorates a handler so that its errors carry only a code, because they appear in the execution history.

    Any other exception is logged with its redacted traceback and raised as a ServiceError with its class name as code.
    """

    @wraps(handle)
    def guarded(event: Any, context: LambdaContext) -> dict[str, Any]:
        try:
            return handle(event, context)
        except (ExportsError, SettingError) as error:
            logger.warning("invocation failed", error=str(error), error_type=type(error).__name__)
            raise
        except Exception as error:
            logger.exception("invocation failed unexpectedly")
            raise ServiceError(type(error).__name__) from None

    with_context: Handler = logger.inject_lambda_context(guarded, clear_state=True)
    return with_context


def utc_now() -> datetime:
    return datetime.now(UTC)


def time_left(context: LambdaContext) -> timedelta:
    """Time until Lambda ends the invocation."""
    return timedelta(milliseconds=context.get_remaining_time_in_millis())


@cache
def settings() -> Settings:
    return Settings(os.environ)


@cache
def session() -> boto3.Session:
    return boto3.Session()


def cached_client(connect: Callable[[], T]) -> Callable[[], T]:
    """``connect``, called on first use and cached while the function is warm.

    Garbage collection is off while a client is built, which saves about 10% of a cold start: a client consists of large
    JSON documents that are never freed, and the collector would scan them repeatedly.
    """

    @cache
    def connected() -> T:
        gc.disable()
        try:
            return connect()
        finally:
            gc.freeze()
            gc.enable()

    return connected


def discovery_session() -> boto3.Session:
    """With the permissions in the account that the exports belong to."""
    config = settings()
    role, external_id = config.discovery_role, config.discovery_external_id
    return session_as(role, name=config.function_name, external_id=external_id) if role else session()


@cached_client
def service() -> DiscoveryService:
    """In the account and Region that the exports belong to."""
    client = discovery_client(discovery_session(), settings().discovery_region)
    client.meta.events.register("response-received.discovery.DescribeExportTasks", record_call)
    return DiscoveryService(client)


@cached_client
def dynamodb() -> "DynamoDBClient":
    return session().client("dynamodb", config=CONFIG)


def catalog() -> Catalog:
    config = settings()
    return Catalog(
        dynamodb(), config.table, account=config.discovery_account, region=config.discovery_region, clock=utc_now
    )


@cached_client
def catalog_index() -> "CatalogIndex":
    from exports.outcomes.catalog_index import CatalogIndex  # only for ReportRun: others start without it

    return CatalogIndex(session().client("dynamodb", config=PAGE_CONFIG), settings().table, clock=utc_now)


@cached_client
def collecting_table_for_page() -> "CollectingTable":
    from exports.collecting.table import CollectingTable  # only for ReportRun: 20 ms of a cold start

    return CollectingTable(session().client("dynamodb", config=PAGE_CONFIG), settings().collecting_table)


@cached_client
def bucket() -> Bucket:
    return Bucket(s3_client(session()), bucket=settings().bucket, owner=settings().account)


@cached_client
def events() -> "EventBridgeClient":
    return session().client("events", config=CONFIG)


def publisher() -> EventPublisher:
    """For one invocation."""
    return EventPublisher(events(), settings().event_bus, bucket=settings().bucket, catalog=settings().table_arn)


def batch(pointer: dict[str, Any]) -> Batch:
    """Reads the batch of a pointer ``{"runId", "number"}``, and adds its ids to every log record."""
    document: Any = bucket().read_json(batch_key(pointer["runId"], pointer["number"]))
    batch = Batch.from_json(pointer["number"], document)
    logger.append_keys(run_id=batch.run_id, batch=batch.number, correlation_id=batch.correlation_id)
    return batch


def recorder(batch: Batch, publisher: EventPublisher) -> OutcomeRecorder:
    return OutcomeRecorder(batch, catalog(), publisher.publish, measure, utc_now)
