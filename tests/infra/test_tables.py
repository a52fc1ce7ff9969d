"""The tables say what the functions write, and are gone when they are not wanted."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from exports.datasets import read_added
from exports.tables import OTHER, known_tables
from infra.datasets import AddedDataset
from infra.settings import Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.template import Template


def tables(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {table["Name"]: table for table in found if table["TableType"] == "EXTERNAL_TABLE"}


def views(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {view["Name"]: view for view in found if view["TableType"] == "VIRTUAL_VIEW"}


def test_there_is_a_table_for_each_known_dataset_and_one_of_the_exports(template: Template) -> None:
    assert tables(template).keys() == {*known_tables(), "exports"}


@pytest.mark.parametrize("dataset", known_tables())
def test_columns_are_those_that_are_written(template: Template, dataset: str) -> None:
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


def test_athena_finds_in_a_view_what_it_asks_of_every_table(template: Template) -> None:
    """Without it, a query ends with "Table storage descriptor is missing SerDe info"."""
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


def test_the_work_group_has_the_questions_of_the_docs(template: Template) -> None:
    named = [each["Properties"] for each in template.of_type("AWS::Athena::NamedQuery").values()]

    files = sorted((Path(__file__).parents[2] / "docs" / "queries").glob("*.sql"))
    assert {query["Name"]: query["QueryString"] for query in named} == {file.stem: file.read_text() for file in files}
    assert {template.text(query["WorkGroup"]) for query in named} == {"<Tables/WorkGroup>"}
    assert all(query["Description"].endswith((".", "?")) for query in named)


def test_every_table_is_there_before_the_function_that_adds_partitions(template: Template) -> None:
    waited_for = template.resource("Functions/StoreExport")["DependsOn"]

    assert {template.names[each] for each in waited_for} >= {f"Tables/{name}" for name in (*known_tables(), "exports")}


def test_added_datasets_may_be_called_like_anything_else_here(tmp_path: Path) -> None:
    names = ("database", "work_group", "a_b", "a__b")
    added = tuple(AddedDataset(name=name, pattern=f"*_{name}.csv", columns={"a": "string"}) for name in names)
    app = App(outdir=str(tmp_path))
    DiscoveryExportsStack(app, "DiscoveryExports", settings=Settings(datasets=added))

    app.synth()

    resources = json.loads((tmp_path / "DiscoveryExports.template.json").read_text("utf-8"))["Resources"].values()
    tables = [each["Properties"]["TableInput"]["Name"] for each in resources if each["Type"] == "AWS::Glue::Table"]
    assert set(names) <= set(tables)


def test_an_added_dataset_has_a_table_and_is_handed_to_the_function(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), context={"aws:cdk:enable-path-metadata": True})
    added = AddedDataset(name="agent_disk", pattern="*_disk.csv", columns={"agentId": "string", "Size (GB)": "double"})
    DiscoveryExportsStack(app, "DiscoveryExports", settings=Settings(datasets=(added,)))
    app.synth()

    template = Template(json.loads((tmp_path / "DiscoveryExports.template.json").read_text("utf-8")))

    table = tables(template)["agent_disk"]
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == {"agentid": "string", "size_gb": "double", OTHER: "map<string,string>"}
    environment = template.properties("Functions/StoreExport")["Environment"]["Variables"]
    (read,) = read_added(environment["DATASETS"])
    assert (read.name, read.file, read.columns["Size (GB)"]) == ("agent_disk", "*_disk.csv", ("Size_GB", "double"))
    assert "latest_agent_disk" not in views(template)


def test_without_named_queries_there_are_none(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path))
    DiscoveryExportsStack(app, "DiscoveryExports", settings=Settings(named_queries=False))
    app.synth()

    document = json.loads((tmp_path / "DiscoveryExports.template.json").read_text("utf-8"))

    types = [each["Type"] for each in document["Resources"].values()]
    assert "AWS::Athena::WorkGroup" in types
    assert "AWS::Athena::NamedQuery" not in types


def test_without_tables_there_is_nothing_of_glue_or_athena(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), context={"aws:cdk:enable-path-metadata": True})
    DiscoveryExportsStack(app, "DiscoveryExports", settings=Settings(tables=False))
    app.synth()
    document = json.loads((tmp_path / "DiscoveryExports.template.json").read_text("utf-8"))

    template = Template(document)

    assert not [each for each in document["Resources"].values() if each["Type"].split("::")[1] in ("Glue", "Athena")]
    assert not {"DatabaseName", "WorkGroupName"} & document["Outputs"].keys()
    assert not [line for line in template.permissions("Functions/StoreExportRole") if line.startswith("glue:")]
    assert "DATABASE_NAME" not in template.properties("Functions/StoreExport")["Environment"]["Variables"]
