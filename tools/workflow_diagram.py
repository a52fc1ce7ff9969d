"""Draws the workflow from its synthesized definition.

``python -m tools.workflow_diagram`` updates the Mermaid diagram, between two comments, in each document with one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aws_cdk import App

from infra.permissions import flat
from infra.settings.settings import Settings
from infra.stack import DiscoveryExportsStack

ROOT = Path(__file__).parent.parent
BEGIN = "<!-- the workflow, drawn by `python -m tools.workflow_diagram` -->"
END = "<!-- end of the workflow -->"
SHAPES = {
    "Task": '["{}"]',
    "Choice": '{{"{}"}}',
    "Wait": '[/"{}"/]',
    "Pass": '(["{}"])',
    "Succeed": '(["{}"])',
    "Fail": '(["{}"])',
}
STYLES = """\
  classDef Task fill:#dbeafe,stroke:#2563eb,color:#172554
  classDef Choice fill:#fef3c7,stroke:#d97706,color:#451a03
  classDef Wait fill:#ede9fe,stroke:#7c3aed,color:#2e1065
  classDef Succeed fill:#dcfce7,stroke:#16a34a,color:#052e16
  classDef Pass fill:#fee2e2,stroke:#dc2626,color:#450a0a,stroke-dasharray:4 3
  classDef Fail fill:#fee2e2,stroke:#dc2626,color:#450a0a"""


def draw(definition: Mapping[str, Any]) -> str:
    """A Mermaid flowchart: Map states are boxes around their states, and broken lines are Catch transitions."""
    return "\n".join(["flowchart TD", *_states(definition["States"], indent="  "), STYLES])


def _states(states: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, state in states.items():
        yield from _map(name, state, indent) if state["Type"] == "Map" else _state(name, state, indent)
    for name, state in states.items():
        for arrow, target in _arrows(state):
            yield f"{indent}{_id(name)} {arrow} {_id(target)}"


def _state(name: str, state: Mapping[str, Any], indent: str) -> Iterator[str]:
    yield f"{indent}{_id(name)}{SHAPES[state['Type']].format(name)}:::{state['Type']}"


def _map(name: str, state: Mapping[str, Any], indent: str) -> Iterator[str]:
    yield f'{indent}subgraph {_id(name)}["{name}, {state["MaxConcurrency"]} at once"]'
    yield from _states(state["ItemProcessor"]["States"], f"{indent}  ")
    yield f"{indent}end"


def _arrows(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for choice in state.get("Choices", []):
        yield f'-->|"{_condition(choice["Condition"])}"|', choice["Next"]
    if "Default" in state:
        yield '-->|"otherwise"|', state["Default"]
    if "Next" in state:
        yield "-->", state["Next"]
    for catch in state.get("Catch", []):
        yield '-.->|"keeps failing"|', catch["Next"]


def _condition(expression: str) -> str:
    """``{% $exists($states.input.invalid) %}`` as ``exists(invalid)``."""
    return expression.strip("{%} ").replace("$states.input.", "").replace("$", "")


def _id(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def resource(type: str) -> dict[str, Any]:
    """Properties of the only resource of that type in a stack with default settings."""
    with TemporaryDirectory() as outdir:
        app = App(outdir=outdir)
        stack = DiscoveryExportsStack(app, "DiscoveryExports", settings=Settings())
        app.synth()
        template = json.loads((Path(outdir) / stack.template_file).read_text("utf-8"))
    (found,) = (each for each in template["Resources"].values() if each["Type"] == type)
    return dict(found["Properties"])


def synthesized() -> dict[str, Any]:
    """The synthesized definition of the workflow."""
    return dict(json.loads(flat(resource("AWS::StepFunctions::StateMachine")["DefinitionString"])))


def documents() -> list[Path]:
    """The documents with the diagram."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    return [page for page in pages if BEGIN in page.read_text("utf-8")]


def renewed(document: str, picture: str) -> str:
    """``document`` with the diagram ``picture`` between its comments."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```mermaid\n{picture}\n```\n{END}{after}"


def main() -> None:
    picture = draw(synthesized())
    for path in documents():
        path.write_text(renewed(path.read_text("utf-8"), picture), "utf-8")


if __name__ == "__main__":
    main()
