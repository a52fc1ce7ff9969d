"""Files of an unknown dataset are stored and reported; a custom dataset in the settings gives them a table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.stack.aws import LocalAws
from tests.local.athena import Athena
from tests.local.csv_exports import zipped_csv
from tests.local.service import Service
from tests.local.stack import Stack

pytestmark = pytest.mark.alone

FILE = "123456789012_loadBalancer.csv"
ROWS = [["agentId", "name", "Idle Time (s)", "new"], ["o-1", "front\nend", "1.5", "x"], ["o-2", "back", "", ""]]
CUSTOM = {
    "name": "load_balancer",
    "pattern": "*_loadBalancer.csv",
    "columns": {"agentId": "string", "Idle Time (s)": "double", "name": "string"},
}


@pytest.fixture(scope="module")
def outputs(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Outputs of a second stack, which has the custom dataset."""
    file = tmp_path_factory.mktemp("added") / "outputs.json"
    aws.deploy_beside({"stackId": "Added", "datasets": json.dumps([CUSTOM])}, file)
    result: Any = json.loads(Path(file).read_text())["Added"]
    return dict(result)


def test_a_file_of_an_unknown_dataset_is_stored_and_reported(stack: Stack, service: Service) -> None:
    export_id = service.has_body(zipped_csv({FILE: ROWS}))

    run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    manifest = stack.manifest(export_id)
    (file,) = manifest["files"]
    assert (file["dataset"], file["rows"], file["tableKey"]) == ("other", 2, None)
    assert manifest["schemaNotes"] == [{"name": FILE, "noTable": "unknown dataset"}]


def test_a_custom_dataset_can_be_queried(aws: LocalAws, service: Service, outputs: Mapping[str, str]) -> None:
    second = Stack(aws, outputs)
    export_id = service.has_body(zipped_csv({FILE: ROWS}))

    run = second.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    (file,) = second.manifest(export_id)["files"]
    assert (file["dataset"], file["rows"]) == ("load_balancer", 2)
    columns = "agentid, name, idle_time_s"
    answered = Athena(aws, outputs=outputs).rows(f"SELECT {columns} FROM load_balancer ORDER BY agentid")
    assert answered == [("o-1", "front\nend", "1.5"), ("o-2", "back", None)]
