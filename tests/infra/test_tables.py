"""The tables say what the functions write, and are gone when they are not wanted."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from exports.tables import OTHER, known_tables
from infra.settings import Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.template import Template


def tables(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {table["Name"]: table for table in found}


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


def test_results_of_queries_are_encrypted_and_scans_are_limited(template: Template) -> None:
    configuration = template.properties("Tables/WorkGroup")["WorkGroupConfiguration"]

    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == 100_000_000_000
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}
    assert template.text(configuration["ResultConfiguration"]["OutputLocation"]) == "s3://<Storage/Bucket>/queries/"


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
