"""The package discovery_exports: its names, and what importing it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

import discovery_exports
from discovery_exports import command, locations
from discovery_exports.infra import public_names as in_checkout
from infra import public_names


def test_every_public_name_can_be_imported() -> None:
    for name in discovery_exports.__all__:
        assert getattr(discovery_exports, name) is getattr(public_names, name)


def test_the_checkout_and_the_installed_package_have_the_same_names() -> None:
    assert in_checkout.__all__ == public_names.__all__ == discovery_exports.__all__


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="'discovery_exports' has no attribute 'DiscoveryExport'"):
        discovery_exports.DiscoveryExport  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_is_imported_without_the_cdk() -> None:
    script = "import sys, discovery_exports.locations; print({'aws_cdk', 'constructs', 'infra'} & sys.modules.keys())"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=locations.ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"


def test_a_checkout_has_the_files_beside_the_package() -> None:
    assert not locations.IS_INSTALLED
    assert Path(discovery_exports.__file__).parent.parent == locations.ROOT
    assert all(path.is_dir() for path in (locations.FUNCTIONS, locations.DATASETS, locations.QUERIES))


def run_command_without(module: str) -> subprocess.CompletedProcess[str]:
    script = f"import sys; sys.modules[{module!r}] = None; from discovery_exports.command import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=locations.ROOT, capture_output=True, text=True, check=False
    )


def test_a_missing_package_is_one_line_that_has_the_extra() -> None:
    done = run_command_without("typer")

    assert (done.returncode, done.stdout) == (253, "")
    assert done.stderr.splitlines() == [command.EXTRA]


def test_the_module_of_the_command_also_says_what_is_missing() -> None:
    script = (
        "import sys, runpy; sys.modules['typer'] = None; runpy.run_module('discovery_exports.cli', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=locations.ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr.splitlines()) == (253, [command.EXTRA])


def test_an_interrupt_of_the_imports_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("discovery_exports.cli.app.main", interrupt)

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == 130


def test_a_missing_module_of_this_package_is_not_taken_for_a_missing_extra() -> None:
    done = run_command_without("discovery_exports.cli.app")

    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
