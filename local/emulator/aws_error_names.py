"""MiniStack's application. A state machine gets the name that AWS gives to the error of a throttled function.

:mod:`local.stack.ministack` starts it with the Python of MiniStack's environment. MiniStack counts the concurrent
invocations of an account and throttles them as AWS does, but its Step Functions report ``Lambda.Unknown``.
"""

from importlib import import_module
from typing import Any

THROTTLED = "TooManyRequestsException"

app: Any = import_module("ministack.app").app
step_functions: Any = import_module("ministack.services.stepfunctions")
invoke = step_functions._call_lambda


def invoke_with_aws_error_names(function: Any, event: Any) -> Any:
    """Invoke a function for a task. If Lambda throttles it, raise the error ``Lambda.TooManyRequestsException``."""
    try:
        return invoke(function, event)
    except step_functions._ExecutionError as error:
        if error.error == "Lambda.Unknown" and f'"__type": "{THROTTLED}"' in error.cause:
            raise step_functions._ExecutionError(f"Lambda.{THROTTLED}", error.cause) from None
        raise


step_functions._call_lambda = invoke_with_aws_error_names
