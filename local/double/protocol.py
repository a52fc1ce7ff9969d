"""The JSON 1.1 protocol of the service. Validates requests and responses with botocore's service model."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

CONTENT_TYPE = "application/x-amz-json-1.1"
OPERATIONS = ("StartExportTask", "DescribeExportTasks", "DescribeAgents", "ListConfigurations")
_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request")


@dataclass(slots=True)
class ServiceException(Exception):
    """An error response. Its code is returned as ``__type``, with the HTTP status that AWS uses."""

    code: str
    message: str

    @property
    def status(self) -> int:
        return 500 if self.code == "ServerInternalErrorException" else 400

    @property
    def body(self) -> dict[str, str]:
        return {"__type": self.code, "message": self.message}


class WrongAnswer(AssertionError):
    """The service model does not allow the response that the double was about to return."""


@cache
def service_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("discovery", "service-2"), "discovery")


INFO_MEMBERS = tuple(cast(StructureShape, service_model().shape_for("ExportInfo")).members)
"""The names of the members of an ExportInfo."""


class Protocol:
    """Validates requests and responses with botocore's model of the service."""

    def __init__(self) -> None:
        self._model = service_model()
        self._validator = ParamValidator()

    def operation(self, target: str) -> str:
        """The operation that the ``X-Amz-Target`` header names."""
        prefix, _, name = target.partition(".")
        if prefix != self._model.metadata["targetPrefix"] or name not in self._model.operation_names:
            raise ServiceException("UnknownOperationException", f"Unknown operation: {target!r}")
        if name not in OPERATIONS:
            raise ServiceException("UnknownOperationException", f"The double does not implement {name}")
        return name

    def check_request(self, operation: str, parameters: object) -> None:
        """Reject a request that the model does not allow: first members, types and required members, then values."""
        shape = self._shape(operation, "input_shape")
        if not isinstance(parameters, dict):
            raise ServiceException("SerializationException", "The request is not a JSON object")
        if report := self._faults(parameters, shape):
            raise ServiceException("InvalidParameterException", report)
        if report := "; ".join(value_faults(parameters, shape)):
            raise ServiceException("InvalidParameterValueException", report)

    def check_answer(self, operation: str, answer: Mapping[str, Any]) -> None:
        """Raise `WrongAnswer` if the model does not allow the response. Enums may have values that are not in it."""
        shape = self._shape(operation, "output_shape")
        faults = self._faults(answer, shape) or "; ".join(value_faults(answer, shape, enums=False))
        if faults:
            raise WrongAnswer(f"{operation}: {faults}")

    def _faults(self, value: Mapping[str, Any], shape: Shape) -> str:
        report = self._validator.validate(value, shape)
        return report.generate_report() if report.has_errors() else ""

    def _shape(self, operation: str, side: str) -> Shape:
        model: OperationModel = self._model.operation_model(operation)
        shape: Shape = getattr(model, side)
        return shape


def value_faults(value: Any, shape: Shape, *, enums: bool = True, path: str = "") -> Iterator[str]:
    """Errors that botocore leaves to the service: enums, patterns and lengths of strings, ranges of numbers."""
    match shape:
        case StructureShape():
            for name, member in value.items():
                yield from value_faults(member, shape.members[name], enums=enums, path=f"{path}.{name}".lstrip("."))
        case ListShape():
            for number, member in enumerate(value):
                yield from value_faults(member, shape.member, enums=enums, path=f"{path}[{number}]")
        case MapShape():
            for name, member in value.items():
                yield from value_faults(name, shape.key, enums=enums, path=f"{path}.{name}")
                yield from value_faults(member, shape.value, enums=enums, path=f"{path}.{name}")
        case StringShape():
            yield from _text_faults(value, shape, path, enums=enums)
        case _:
            yield from _number_faults(value, shape, path)


def _text_faults(value: str, shape: StringShape, path: str, *, enums: bool) -> Iterator[str]:
    if enums and shape.enum and value not in shape.enum:
        yield f"{path}: not one of {', '.join(shape.enum)}"
    if len(value) > shape.metadata.get("max", len(value)):
        yield f"{path}: longer than {shape.metadata['max']}"
    if "pattern" in shape.metadata and not re.fullmatch(shape.metadata["pattern"], value):
        yield f"{path}: does not match {shape.metadata['pattern']}"


def _number_faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if shape.type_name != "boolean" and isinstance(value, bool):
        yield f"{path}: a boolean"
    elif shape.type_name in ("integer", "double", "timestamp") and not isinstance(value, int | float):
        yield f"{path}: not a number"
    elif not shape.metadata.get("min", value) <= value <= shape.metadata.get("max", value):
        yield f"{path}: not between {shape.metadata['min']} and {shape.metadata['max']}"


def signing_region(authorization: str | None) -> str:
    """The Region in the credential scope of a SigV4 ``Authorization`` header. The signature itself is not verified."""
    if not authorization:
        raise ServiceException("MissingAuthenticationTokenException", "Missing Authentication Token")
    scope = _SCOPE.search(authorization)
    if not scope or scope["service"] != "discovery":
        raise ServiceException(
            "IncompleteSignatureException", "The Authorization header has no credential scope of discovery"
        )
    return scope["region"]
