"""Detection of the dataset of a file, and of differences from its known columns."""

from collections.abc import Sequence

import pytest

from exports.datasets.detection import OTHER, dataset_of, is_csv, kind_of, known_datasets, read_custom, schema_notes
from exports.model import Kind

DATASETS = {dataset.name: dataset for dataset in known_datasets()}
CONNECTIONS = DATASETS["agent_source_process_connection"]
TEN, TWELVE = CONNECTIONS.variants


def test_a_custom_dataset_is_detected_by_its_pattern_after_the_known_names() -> None:
    custom = read_custom('[{"name": "agent_disk", "pattern": "*_*.csv", "columns": {"size": ["size", "double"]}}]')

    assert dataset_of("folder/1_disk.csv", (), custom).name == "agent_disk"
    assert dataset_of("1_osInfo.csv", (), custom).name == "agent_os_info"
    assert dataset_of("disk.csv", (), custom) is OTHER
    assert dataset_of("1_disk.csv", ()) is OTHER
    assert kind_of(["agent_disk", "agent_os_info"]) is Kind.AGENT


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("123456789012_osInfo.csv", "agent_os_info"),
        ("123456789012_networkInterface.csv", "agent_network_interface"),
        ("123456789012_process.csv", "agent_process"),
        ("123456789012_systemPerformance.csv", "agent_system_performance"),
        ("123456789012_sourceProcessConnection.csv", "agent_source_process_connection"),
        ("123456789012_destinationProcessConnection.csv", "agent_destination_process_connection"),
        ("123456789012_results.json", "agent_results"),
        ("123456789012_Server.csv", "summary_server"),
        ("123456789012_Application.csv", "summary_application"),
        ("123456789012_ApplicationResourceAssociation.csv", "summary_application_resource_association"),
        ("123456789012_ImportTemplate", "summary_import_template"),
        ("123456789012_ImportTemplate.csv", "summary_import_template"),
        ("123456789012_NetworkInterface.csv", "summary_network_interface"),
        ("123456789012_SystemPerformance.csv", "summary_system_performance"),
        ("123456789012_Tags.csv", "summary_tags"),
        ("123456789012_VMwareInfo.csv", "summary_vmware_info"),
        ("EC2InstanceRecommendations.csv", "ec2_instance_recommendations"),
        ("EC2InstanceRecommendations-2020-07-14_1.csv", "ec2_instance_recommendations"),
        ("123456789012_ec2instancerecommendations (2).CSV", "ec2_instance_recommendations"),
        ("folder/inner.zip/o-0123456789abcdef0_osInfo.csv", "agent_os_info"),
        ("C:\\exports\\d-agent-01-osInfo.CSV", "agent_os_info"),
        ("OSINFO.csv", "agent_os_info"),
        ("osInfo", "agent_os_info"),
        ("123456789012_NETWORKINTERFACE.csv", "other"),
        ("123456789012_osInfo.csv.gz", "other"),
        ("readme.txt", "other"),
        ("process.json", "other"),
        ("", "other"),
    ],
)
def test_dataset_is_detected_by_the_name(name: str, dataset: str) -> None:
    assert dataset_of(name, ()).name == dataset


@pytest.mark.parametrize(
    ("name", "header", "dataset"),
    [
        ("part-1.csv", DATASETS["agent_os_info"].variants[0], "agent_os_info"),
        ("part-1", DATASETS["summary_server"].variants[0], "summary_server"),
        ("part-1.txt", [*DATASETS["agent_process"].variants[0], "more"], "agent_process"),
        ("part-1.csv", [name.upper() for name in DATASETS["summary_tags"].variants[0]], "summary_tags"),
        ("A_NETWORKINTERFACE.csv", DATASETS["agent_network_interface"].variants[0], "agent_network_interface"),
        ("A_NETWORKINTERFACE.csv", DATASETS["summary_network_interface"].variants[0], "summary_network_interface"),
        ("sourceProcessConnection_part2.csv", TWELVE, "agent_source_process_connection"),
        ("destinationprocessconnection-2.csv", TEN, "agent_destination_process_connection"),
        ("connections.csv", TWELVE, "other"),
        ("part-1.csv", ["accountNumber", "agentId"], "other"),
    ],
)
def test_dataset_is_detected_by_the_header_if_not_by_the_name(name: str, header: Sequence[str], dataset: str) -> None:
    assert dataset_of(name, header).name == dataset


def test_name_takes_precedence_over_the_header() -> None:
    assert dataset_of("123_osInfo.csv", DATASETS["summary_server"].variants[0]).name == "agent_os_info"


@pytest.mark.parametrize(
    ("columns", "notes"),
    [
        (TEN, {}),
        (TWELVE, {}),
        ([*TWELVE, "new", "newer"], {"added": ["new", "newer"]}),
        (["first", *TWELVE], {"unknown": ["first"]}),
        (TEN[:-1], {"missing": ["agentCreationDate"]}),
        (TWELVE[:-1], {"missing": ["commandParam"]}),
        ([TEN[1], TEN[0], *TEN[2:]], {"reordered": ["agentId", "accountNumber"]}),
        (["x", *TEN[1:], "y"], {"unknown": ["x"], "added": ["y"], "missing": ["accountNumber"]}),
        (["x", "y"], {"unknown": ["x", "y"], "missing": list(TEN)}),
        ([*TEN, TEN[0]], {}),
        ([], {}),
    ],
)
def test_differences_from_the_closest_known_header_are_noted(
    columns: Sequence[str], notes: dict[str, list[str]]
) -> None:
    assert schema_notes(CONNECTIONS, columns) == notes


def test_unknown_dataset_has_no_notes() -> None:
    assert schema_notes(OTHER, ["x"]) == {}


@pytest.mark.parametrize(
    ("datasets", "kind"),
    [
        (["summary_server", "summary_tags", "other"], Kind.SUMMARY),
        (["agent_results"], Kind.AGENT),
        (["ec2_instance_recommendations"], Kind.EC2_RECOMMENDATIONS),
        (["agent_process", "summary_tags"], Kind.OTHER),
        (["other"], Kind.OTHER),
        ([], Kind.OTHER),
    ],
)
def test_kind_of_the_export(datasets: list[str], kind: Kind) -> None:
    assert kind_of(datasets) is kind


@pytest.mark.parametrize(
    ("name", "csv"),
    [("a_osInfo.csv", True), ("a_ImportTemplate", True), ("x.CSV", True), ("x.txt", False), ("results.json", False)],
)
def test_files_that_are_read_as_csv(name: str, csv: bool) -> None:
    assert is_csv(name, dataset_of(name, ())) is csv


def test_every_known_dataset_is_detected_by_its_own_name_and_header() -> None:
    for dataset in known_datasets():
        for variant in dataset.variants:
            assert dataset_of(f"123456789012_{dataset.file.replace('*', '')}", ()) is dataset
            assert dataset_of(f"{dataset.word} part 2.csv", variant) is dataset
            assert schema_notes(dataset, variant) == {}
