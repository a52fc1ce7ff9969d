"""The competitors by name, and the versions of their packages."""

import platform
from importlib.metadata import version

PRODUCT = "discovery-exports"
TABLES_OFF = "discovery-exports, tables off"
DUCKDB = "DuckDB COPY, from files on disk"
PYARROW = "zipfile + pyarrow"
PANDAS = "zipfile + pandas"
LINK_PYARROW = "requests + zipfile + upload_fileobj + pyarrow"
LINK_AWSWRANGLER = "requests + zipfile + upload_fileobj + awswrangler"
LINK_DUCKDB = "requests + zipfile + upload_file + DuckDB"

CONVERSIONS = {
    PRODUCT: "product",
    TABLES_OFF: "product_tables_off",
    DUCKDB: "duckdb_copy",
    PYARROW: "pyarrow_stream",
    PANDAS: "pandas_frame",
}
"""From a zip file on disk, without S3: modules in ``competitor_code/``."""
LINKS = {
    PRODUCT: "link_product",
    LINK_PYARROW: "link_pyarrow",
    LINK_AWSWRANGLER: "link_awswrangler",
    LINK_DUCKDB: "link_duckdb",
}
"""From a download URL to objects in S3: modules in ``competitor_code/``."""
PACKAGES = ("arro3-core", "duckdb", "pyarrow", "pandas", "awswrangler", "boto3", "requests")


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
