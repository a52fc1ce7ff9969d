"""The tables describe what the functions write, and can be left out."""

import base64
import io
import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from arro3.core import DataType, Schema
from arro3.io import read_parquet

from exports.datasets import table_schemas
from exports.datasets.detection import read_custom
from exports.datasets.exports_table import exports_row
from exports.datasets.table_schemas import Columns, Origin
from exports.unpack.tables import Target, read_table
from infra.settings.dataset import CustomDataset
from infra.settings.settings import Settings
from infra.table_schemas import known_tables
from tests.infra.synthesis import of_stack
from tests.infra.template import Template

TYPES = {
    "Utf8": "string",
    "Int64": "bigint",
    "Float64": "double",
    "Timestamp(µs)": "timestamp",
    "Date32": "date",
    "Boolean": "boolean",
}
"""Types of AWS Glue by the types in a Parquet file: https://docs.aws.amazon.com/athena/latest/ug/data-types.html"""
MONTH = {"Name": "requested_month", "Type": "string"}
PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def tables(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {table["Name"]: table for table in found if table["TableType"] == "EXTERNAL_TABLE"}


def columns(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and types, in order."""
    return [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]


def written_columns(schema: Schema) -> list[tuple[str, str]]:
    """The columns of a file as AWS Glue names them."""
    return [(name, glue_type(schema.field(name).type)) for name in schema.names]


def glue_type(kind: DataType) -> str:
    if kind.value_type:
        return f"array<{glue_type(kind.value_type)}>"
    if kind.fields:
        return f"struct<{','.join(f'{field.name}:{glue_type(field.type)}' for field in kind.fields)}>"
    return TYPES[str(kind).removeprefix("arro3.core.DataType<").removesuffix(">\n")]


def written_table(columns: Columns) -> Schema:
    """The schema of a table that the functions write."""
    file = io.BytesIO()
    target = Target(columns, Origin("export-1", "2026-11-23"), lambda: nullcontext(file))
    read_table(iter((b"a\r\n1\r\n",)), lambda: iter(()), target)
    return read_parquet(file.getvalue()).schema


def views(template: Template) -> dict[str, Any]:
    found = (each["Properties"]["TableInput"] for each in template.of_type("AWS::Glue::Table").values())
    return {view["Name"]: view for view in found if view["TableType"] == "VIRTUAL_VIEW"}


def test_there_is_a_table_for_each_known_dataset_and_for_the_exports(template: Template) -> None:
    assert tables(template).keys() == {*known_tables(), "exports"}


@pytest.mark.parametrize("dataset", known_tables())
def test_columns_are_those_that_the_functions_write(template: Template, dataset: str) -> None:
    written = written_table(table_schemas.known_tables()[dataset])

    assert columns(tables(template)[dataset]) == written_columns(written)
    assert len(written.names) > 4


def test_the_table_of_the_exports_has_the_columns_that_the_functions_write(template: Template) -> None:
    written = read_parquet(exports_row({"files": []})).schema

    assert columns(tables(template)["exports"]) == written_columns(written)
    assert written_columns(written)[-1] == (
        "files",
        "array<struct<name:string,dataset:string,key:string,tablekey:string,bytes:bigint,sha256:string,rows:bigint>>",
    )


@pytest.mark.parametrize("name", [*known_tables(), "exports"])
def test_every_table_is_parquet(template: Template, name: str) -> None:
    table = tables(template)[name]

    storage = table["StorageDescriptor"]
    assert table["Parameters"]["classification"] == "parquet"
    assert storage["SerdeInfo"] == {"SerializationLibrary": f"{PARQUET}.serde.ParquetHiveSerDe"}
    assert storage["InputFormat"] == f"{PARQUET}.MapredParquetInputFormat"
    assert storage["OutputFormat"] == f"{PARQUET}.MapredParquetOutputFormat"
    assert template.text(storage["Location"]) == f"s3://<Storage/Bucket>/tables/{name}/"


@pytest.mark.parametrize("name", [*known_tables(), "exports"])
def test_athena_computes_a_partition_for_each_month(template: Template, name: str) -> None:
    """So nothing registers partitions. A month in the template is as in the keys of the functions."""
    table = tables(template)[name]

    projection = {key: value for key, value in table["Parameters"].items() if key.startswith("projection.")}
    assert table["PartitionKeys"] == [MONTH]
    assert projection == {
        "projection.enabled": "true",
        "projection.requested_month.type": "date",
        "projection.requested_month.format": "yyyy-MM",
        "projection.requested_month.range": "2016-05,NOW",
        "projection.requested_month.interval": "1",
        "projection.requested_month.interval.unit": "MONTHS",
    }
    location = template.text(table["Parameters"]["storage.location.template"])
    assert location == f"s3://<Storage/Bucket>/tables/{name}/requested_month=${{requested_month}}/"


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
    expected = [*columns(table), ("requested_month", "string"), ("istruncated", "boolean")]
    assert columns(view) == expected
    assert [column["type"] for column in definition["columns"]] == [
        "varchar" if kind == "string" else kind for _, kind in expected
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


def test_no_function_may_call_glue_and_none_waits_for_a_table(template: Template, everything: Template) -> None:
    for each, count in ((template, 4), (everything, 5)):
        roles = [name for name in each.of_type("AWS::IAM::Role") if name.startswith("Functions/")]
        assert len(roles) == count
        assert not [line for role in roles for line in each.permissions(role) if line.startswith(("glue:", "athena:"))]
    required = template.resource("Functions/StoreExport")["DependsOn"]
    assert not [template.names[each] for each in required if template.names[each].startswith("Tables/")]


@pytest.fixture(scope="module")
def custom() -> Template:
    """A stack with datasets that have the names of other resources, and without named queries."""
    names = ("database", "work_group", "a_b", "a__b")
    headers: Mapping[str, Any] = {"agentId": "string", "Size (GB)": "double"}
    datasets = tuple(CustomDataset(name=name, pattern=f"*_{name}.csv", columns=headers) for name in names)
    return of_stack(Settings(datasets=datasets, named_queries=False, tables_from="2024-02"))


def test_custom_datasets_may_have_the_names_of_other_resources(custom: Template) -> None:
    assert {"database", "work_group", "a_b", "a__b"} <= tables(custom).keys()


def test_a_custom_dataset_has_a_table_and_is_passed_to_the_function(custom: Template) -> None:
    table = tables(custom)["a_b"]

    environment = custom.properties("Functions/StoreExport")["Environment"]["Variables"]
    (read,) = (each for each in read_custom(environment["DATASETS"]) if each.name == "a_b")
    assert (read.file, read.columns["Size (GB)"]) == ("*_a_b.csv", ("Size_GB", "double"))
    assert columns(table) == written_columns(written_table(read.columns))
    assert columns(table)[:2] == [("agentid", "string"), ("size_gb", "double")]
    assert "latest_a_b" not in views(custom)


@pytest.mark.parametrize("name", ["a_b", "agent_os_info", "exports"])
def test_the_first_month_is_a_setting(custom: Template, name: str) -> None:
    assert tables(custom)[name]["Parameters"]["projection.requested_month.range"] == "2024-02,NOW"
    assert custom.properties("Functions/StoreExport")["Environment"]["Variables"]["TABLES_FROM"] == "2024-02"


@pytest.mark.parametrize("column", ["other", "export_id", "requested_date", "row_number", "requested_month"])
def test_a_custom_dataset_has_no_column_that_is_added_to_every_table(column: str) -> None:
    with pytest.raises(ValueError, match="none of them reserved"):
        CustomDataset(name="disks", pattern="*_disk.csv", columns={column.upper(): "string"})


def test_without_named_queries_there_are_none(custom: Template) -> None:
    assert custom.of_type("AWS::Athena::WorkGroup")
    assert not custom.of_type("AWS::Athena::NamedQuery")


def test_without_tables_there_are_no_resources_of_glue_or_athena(bare: Template) -> None:
    types = [each["Type"] for each in bare.document["Resources"].values()]

    assert not [each for each in types if each.split("::")[1] in ("Glue", "Athena")]
    assert not {"DatabaseName", "WorkGroupName"} & bare.document["Outputs"].keys()
    assert "/tables/*" not in str(bare.permissions("Functions/StoreExportRole"))
    assert "TABLES_FROM" not in bare.properties("Functions/StoreExport")["Environment"]["Variables"]
