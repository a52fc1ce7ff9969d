"""The files of the package that ``make dist`` builds, for hatchling.

The package has the folders of a checkout: functions, their packages, queries, and ``infra`` and ``local/double`` as
subpackages, so that it adds only one name to the environment in which it is installed. Each file is a regular file that
belongs to the code: nothing that an editor or a tool has left in a folder, and no link.
"""

import json
import sys
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # hatchling loads this file alone

from discovery_exports.locations import PACKAGES, QUERIES  # noqa: E402
from infra.lambda_files import LOCK, own_files, package_files, regular_files  # noqa: E402

PACKAGE = "discovery_exports"
LICENSES = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "AUTHORS")


OF_LOCAL_AWS = ("__main__.py", "export_bucket.py")
"""The modules of the double that keep its exports in the S3 of the local AWS."""


class WheelHook(BuildHookInterface[Any]):
    """Names the files of the wheel. Raises PackagesDiffer if ``make setup`` must run first."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if (self.target_name, version) != ("wheel", "standard"):
            raise NotImplementedError("The package is built as a wheel, by `make dist`. Use a checkout as it is.")
        self._made = TemporaryDirectory(prefix="discovery-exports-")
        made = Path(self._made.name)
        build_data["force_include"] |= {str(path): f"{PACKAGE}/{name}" for name, path in sorted(files(made).items())}
        build_data["sbom_files"].append(str(bill_of_materials(made)))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._made.cleanup()


def files(made: Path) -> dict[str, Path]:
    """The files by their names in the package. Those that must be written first are written to the folder ``made``."""
    found = dict(regular_files(ROOT / PACKAGE, {".py", ".typed"}))
    found = {name: path for name, path in found.items() if not name.startswith(("infra/", "double/"))}
    found |= {f"infra/{name}": path for name, path in regular_files(ROOT / "infra", {".py"})}
    double = dict(regular_files(ROOT / "local" / "double", {".py", ".json"}))
    found |= {f"double/{name}": path for name, path in double.items() if name not in OF_LOCAL_AWS}
    found |= {f"functions/{name}": path for name, path in [*own_files(), (LOCK.name, LOCK)]}
    found |= {f"docs/queries/{name}": path for name, path in regular_files(QUERIES, {".sql"})}
    for folder in architectures():
        found |= {f".lambda/{folder.name}/{name}": path for name, path in lambda_packages(folder, made / folder.name)}
    return found


def architectures() -> list[Path]:
    return sorted(path for path in PACKAGES.iterdir() if path.is_dir())


def lambda_packages(folder: Path, made: Path) -> Iterator[tuple[str, Path]]:
    """What the asset has of each package, and its metadata and licenses, with a list of these files and their hashes.

    The package's own list has files that differ between two installations, such as the time of the installation.
    """
    code = dict(package_files(folder.name))
    yield from code.items()
    yield LOCK.name, folder / LOCK.name
    for info in sorted(folder.glob("*.dist-info")):
        legal = {f"{info.name}/{name}": path for name, path in regular_files(info, None) if is_legal(name)}
        yield from legal.items()
        record = made / info.name / "RECORD"
        record.parent.mkdir(parents=True)
        lines = (info / "RECORD").read_text("utf-8").splitlines()
        kept = [line for line in lines if line.partition(",")[0] in {*code, *legal}]
        record.write_text("".join(f"{line}\n" for line in sorted(kept)), "utf-8")
        yield f"{info.name}/RECORD", record


def is_legal(name: str) -> bool:
    """Whether a file in the metadata of a package says what the package is, what is in it, or how it is licensed."""
    return name == "METADATA" or name.startswith(("licenses/", "sboms/", *LICENSES))


def bill_of_materials(made: Path) -> Path:
    """The packages that the wheel has for Lambda: https://peps.python.org/pep-0770/, https://cyclonedx.org/docs/1.6/json/"""
    bundled = [Parser().parsestr(path.read_text("utf-8")) for path in architectures()[0].glob("*.dist-info/METADATA")]
    components = [
        {
            "type": "library",
            "name": package["Name"],
            "version": package["Version"],
            "purl": f"pkg:pypi/{package['Name'].lower().replace('_', '-')}@{package['Version']}",
            "licenses": [license_of(package)],
        }
        for package in sorted(bundled, key=lambda package: str(package["Name"]))
    ]
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    path = made / "lambda-packages.cyclonedx.json"
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return path


def license_of(package: Message) -> dict[str, Any]:
    if expression := package["License-Expression"]:
        return {"expression": expression}
    classified = [
        value.rpartition(" :: ")[2] for value in package.get_all("Classifier", []) if value.startswith("License ::")
    ]
    return {"license": {"name": package["License"] or ", ".join(classified)}}
