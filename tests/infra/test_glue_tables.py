"""The tables describe what the functions write, and can be left out."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exports.datasets.detection import read_custom
from exports.datasets.json_lines import OTHER, known_tables
from infra.settings.dataset import CustomDataset
from infra.settings.settings import Settings
from tests.infra.synthesis import of_stack
from tests.infra.template import Template


def tables(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {table["Name"]: table for table in found if table["TableType"] == "EXTERNAL_TABLE"}


def views(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {view["Name"]: view for view in found if view["TableType"] == "VIRTUAL_VIEW"}


def test_there_is_a_table_for_each_known_dataset_and_for_the_exports(template: Template) -> None:
    assert tables(template).keys() == {*known_tables(), "exports"}


@pytest.mark.parametrize("dataset", known_tables())
def test_columns_are_those_that_the_functions_write(template: Template, dataset: str) -> None:
    table = tables(template)[dataset]

    columns = [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]
    known = [(name.lower(), kind) for name, kind in known_tables()[dataset].values()]
    assert columns == [*known, (OTHER, "map<string,string>")]
    assert [key["Name"] for key in table["PartitionKeys"]] == ["requested_date", "export_id"]
    location = template.text(table["StorageDescriptor"]["Location"])
    assert location == f"s3://<Storage/Bucket>/tables/{dataset}/"


def test_there_is_a_view_of_the_newest_export_for_each_dataset(template: Template) -> None:
    assert views(template).keys() == {f"latest_{dataset}" for dataset in known_tables()}
    assert all(view["Parameters"]["presto_view"] == "true" for view in views(template).values())


def test_views_have_the_properties_that_athena_requires(template: Template) -> None:
    """Without them, a query fails with "Table storage descriptor is missing SerDe info"."""
    for name, view in views(template).items():
        assert (view["StorageDescriptor"]["SerdeInfo"], view["PartitionKeys"]) == ({}, []), name


@pytest.mark.parametrize("dataset", known_tables())
def test_a_view_has_the_columns_and_types_that_its_sql_selects(template: Template, dataset: str) -> None:
    view, table = views(template)[f"latest_{dataset}"], tables(template)[dataset]

    (encoded,) = re.fullmatch(r"/\* Presto View: (\S+) \*/", view["ViewOriginalText"]).groups()  # type: ignore[union-attr]
    definition = json.loads(base64.b64decode(encoded))

    selected = re.findall(r'\w+\."?(\w+)"?[,\n]', definition["originalSql"].partition("FROM")[0])
    assert selected == [column["name"] for column in definition["columns"]]
    assert selected == [column["Name"] for column in view["StorageDescriptor"]["Columns"]]
    columns = [
        *table["StorageDescriptor"]["Columns"],
        *table["PartitionKeys"],
        {"Name": "istruncated", "Type": "boolean"},
    ]
    assert view["StorageDescriptor"]["Columns"] == columns
    presto = {"string": "varchar", "map<string,string>": "map(varchar, varchar)"}
    assert [presto.get(column["Type"], column["Type"]) for column in columns] == [
        column["type"] for column in definition["columns"]
    ]
    assert definition["schema"] == template.properties("Tables/Database")["DatabaseInput"]["Name"]


def test_results_of_queries_are_encrypted_and_scans_are_limited(template: Template) -> None:
    configuration = template.properties("Tables/WorkGroup")["WorkGroupConfiguration"]

    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 100_000_000_000
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}
    assert template.text(configuration["ResultConfiguration"]["OutputLocation"]) == "s3://<Storage/Bucket>/queries/"


def test_the_work_group_has_the_queries_of_the_docs(template: Template) -> None:
    named = [each["Properties"] for each in template.of_type("AWS::Athena::NamedQuery").values()]

    files = sorted((Path(__file__).parents[2] / "docs" / "queries").glob("*.sql"))
    assert {query["Name"]: query["QueryString"] for query in named} == {file.stem: file.read_text() for file in files}
    assert {template.text(query["WorkGroup"]) for query in named} == {"<Tables/WorkGroup>"}
    assert all(query["Description"].endswith((".", "?")) for query in named)


def test_every_table_is_created_before_the_function_that_adds_partitions(template: Template) -> None:
    required = template.resource("Functions/StoreExport")["DependsOn"]

    assert {template.names[each] for each in required} >= {f"Tables/{name}" for name in (*known_tables(), "exports")}


@pytest.fixture(scope="module")
def custom() -> Template:
    """A stack with datasets that have the names of other resources, and without named queries."""
    names = ("database", "work_group", "a_b", "a__b")
    columns: Mapping[str, Any] = {"agentId": "string", "Size (GB)": "double"}
    datasets = tuple(CustomDataset(name=name, pattern=f"*_{name}.csv", columns=columns) for name in names)
    return of_stack(Settings(datasets=datasets, named_queries=False))


def test_custom_datasets_may_have_the_names_of_other_resources(custom: Template) -> None:
    assert {"database", "work_group", "a_b", "a__b"} <= tables(custom).keys()


def test_a_custom_dataset_has_a_table_and_is_passed_to_the_function(custom: Template) -> None:
    table = tables(custom)["a_b"]

    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == {"agentid": "string", "size_gb": "double", OTHER: "map<string,string>"}
    environment = custom.properties("Functions/StoreExport")["Environment"]["Variables"]
    (read,) = (each for each in read_custom(environment["DATASETS"]) if each.name == "a_b")
    assert (read.file, read.columns["Size (GB)"]) == ("*_a_b.csv", ("Size_GB", "double"))
    assert "latest_a_b" not in views(custom)


def test_without_named_queries_there_are_none(custom: Template) -> None:
    assert custom.of_type("AWS::Athena::WorkGroup")
    assert not custom.of_type("AWS::Athena::NamedQuery")


def test_without_tables_there_are_no_resources_of_glue_or_athena(bare: Template) -> None:
    types = [each["Type"] for each in bare.document["Resources"].values()]

    assert not [each for each in types if each.split("::")[1] in ("Glue", "Athena")]
    assert not {"DatabaseName", "WorkGroupName"} & bare.document["Outputs"].keys()
    assert not [line for line in bare.permissions("Functions/StoreExportRole") if line.startswith("glue:")]
    assert "DATABASE_NAME" not in bare.properties("Functions/StoreExport")["Environment"]["Variables"]
