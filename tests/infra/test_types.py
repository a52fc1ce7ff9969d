"""mypy looks at the modules of the CDK that are used, and at no others."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("infra", "local", "tests", "tools")


def test_every_module_of_the_cdk_that_is_imported_is_one_whose_types_are_checked() -> None:
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]["overrides"]
    (checked,) = (each["module"] for each in overrides if each.get("follow_imports") == "normal")

    assert imported() <= set(checked), "see pyproject.toml: of any other module, everything has the type Any"


def imported() -> set[str]:
    """``aws_cdk.aws_s3`` for ``from aws_cdk import aws_s3 as s3``."""
    nodes = [
        node
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "aws_cdk"
    ]
    modules = {f"aws_cdk.{name.name}" for node in nodes for name in node.names if name.name.startswith("aws_")}
    return modules | {str(node.module) for node in nodes}
