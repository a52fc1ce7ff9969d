"""requests to disk, zipfile, upload_file; the tables by DuckDB from the files on disk, with all cores."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import requests
from boto3.session import Session

from benchmarks.jobs import BUCKET
from benchmarks.tables.competitor_code.duckdb_copy import copy_to_parquet
from benchmarks.tables.competitor_code.job import Job


def ready(job: Job) -> Callable[[str], None]:
    client, connection = Session().client("s3"), duckdb.connect()

    def store(name: str) -> None:
        with TemporaryDirectory() as name_of_folder:
            folder = Path(name_of_folder)
            _download(job.download_url(name), folder / "export.zip")
            with zipfile.ZipFile(folder / "export.zip") as archive:
                archive.extractall(folder)
                for member in archive.namelist():
                    client.upload_file(str(folder / member), BUCKET, f"data/{member}")
            for table in job.tables(name):
                target = folder / "table.parquet"
                copy_to_parquet(connection, folder / table.member, table, target)
                client.upload_file(str(target), BUCKET, table.key)

    return store


def _download(url: str, target: Path) -> None:
    with requests.get(url, stream=True, timeout=60) as response, target.open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_content(1 << 20):
            file.write(chunk)
