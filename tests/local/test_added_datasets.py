"""Files of an unknown kind: stored and reported, and a table like any other once the deployment knows their columns."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.stack.aws import LocalAws
from tests.local.athena import Athena
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.test_tables import link_to, zipped_csv

pytestmark = pytest.mark.alone

FILE = "123456789012_loadBalancer.csv"
ROWS = [["agentId", "name", "Idle Time (s)", "new"], ["o-1", "front\nend", "1.5", "x"], ["o-2", "back", "", ""]]
ADDED = {
    "name": "load_balancer",
    "pattern": "*_loadBalancer.csv",
    "columns": {"agentId": "string", "Idle Time (s)": "double", "name": "string"},
}


@pytest.fixture(scope="module")
def outputs(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Of a stack of its own that knows the dataset."""
    file = tmp_path_factory.mktemp("added") / "outputs.json"
    aws.deploy_beside({"stackId": "Added", "datasets": json.dumps([ADDED])}, file)
    told: Any = json.loads(Path(file).read_text())["Added"]
    return dict(told)


def test_an_unknown_file_is_stored_and_reported(aws: LocalAws, stack: Stack, service: Service) -> None:
    export_id = service.has(download_url=link_to(aws, stack, zipped_csv(FILE, ROWS)))

    run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    manifest = stack.manifest(export_id)
    (file,) = manifest["files"]
    assert (file["dataset"], file["rows"], file["tableKey"]) == ("other", 2, None)
    assert manifest["schemaNotes"] == [{"name": FILE, "noTable": "unknown dataset"}]


def test_an_added_dataset_answers_in_sql(
    aws: LocalAws, stack: Stack, service: Service, outputs: Mapping[str, str]
) -> None:
    second = Stack(aws, outputs)
    export_id = service.has(download_url=link_to(aws, stack, zipped_csv(FILE, ROWS)))

    run = second.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    (file,) = second.manifest(export_id)["files"]
    assert (file["dataset"], file["rows"]) == ("load_balancer", 2)
    columns = "agentid, name, idle_time_s"
    answered = Athena(aws, outputs=outputs).rows(f"SELECT {columns} FROM load_balancer ORDER BY agentid")
    assert answered == [("o-1", "front\nend", "1.5"), ("o-2", "back", None)]
