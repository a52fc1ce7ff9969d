"""A synthesized template whose resources have the names of their constructs in the code."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.permissions import flat

Json = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """``root`` is the path of the construct under test; names are paths below it, such as ``Storage/Bucket``."""

    document: Json
    root: str = "DiscoveryExports/Exports"

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names by logical id."""
        paths = {key: resource["Metadata"]["aws:cdk:path"] for key, resource in self._resources.items()}
        return {key: path.removeprefix(f"{self.root}/").removesuffix("/Resource") for key, path in paths.items()}

    @property
    def _resources(self) -> Json:
        resources: Json = self.document["Resources"]
        return {key: each for key, each in resources.items() if each["Type"] != "AWS::CDK::Metadata"}

    def resource(self, name: str) -> Json:
        """The resource with this name."""
        (found,) = (self._resources[key] for key, each in self.names.items() if each == name)
        return copy.deepcopy(found)

    def properties(self, name: str) -> Json:
        properties: Json = self.resource(name)["Properties"]
        return properties

    def of_type(self, type: str) -> dict[str, Json]:
        """Resources by name."""
        return {self.names[key]: each for key, each in self._resources.items() if each["Type"] == type}

    def text(self, value: Any) -> str:
        """A value with its references as ``<name>`` or ``<name.Attribute>``."""
        names = self.names
        return re.sub(r"<(\w+)([.>])", lambda found: f"<{names.get(found[1], found[1])}{found[2]}", flat(value))

    def permissions(self, name: str) -> list[str]:
        """What a role or policy allows or denies, a line for each action and resource; conditions follow."""
        properties = self.properties(name)
        documents = [each["PolicyDocument"] for each in properties.get("Policies", [properties])]
        return sorted(
            f"{'deny ' if statement['Effect'] == 'Deny' else ''}{action} on {self.text(resource)}"
            f"{self._conditions(statement)}"
            for document in documents
            for statement in document["Statement"]
            for action in many(statement["Action"])
            for resource in many(statement["Resource"])
        )

    def _conditions(self, statement: Json) -> str:
        return f" if {json.dumps(self._named(statement['Condition']))}" if "Condition" in statement else ""

    def _named(self, value: Any) -> Any:
        """``value`` with its references as names."""
        match value:
            case {"Fn::Join": _} | {"Fn::GetAtt": _} | {"Ref": _}:
                return self.text(value)
            case dict():
                return {key: self._named(each) for key, each in value.items()}
            case list():
                return [self._named(each) for each in value]
            case _:
                return value

    def definition(self) -> Json:
        """The definition of the state machine, with names in place of ARNs."""
        return dict(json.loads(self.text(self.properties("Workflow/StateMachine")["DefinitionString"])))


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
