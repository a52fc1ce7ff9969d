"""`make bench-help`: processor time of ``discovery-exports --help``, compared with a Typer app with empty commands.

The app has the same commands with the same arguments, options and help, and imports Typer alone. Measured are both what
Typer makes by default, help with Rich, and plain help like ours. Processor time does not depend on other load.
"""

import argparse
import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from typer.main import get_command

from discovery_exports.cli.app import app
from local.stack.servers import ROOT

TARGET = 1.3
PRINT_TIME = "finally:\n    import time; print(time.process_time(), file=sys.stderr)\n"
OURS = "import sys\nfrom discovery_exports.cli.app import main\nsys.argv[0] = 'discovery-exports'\ntry:\n    main()\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.command_help", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="fresh interpreters of each kind (default: %(default)s)")
    rounds = parser.parse_args().rounds
    with TemporaryDirectory() as folder:
        programs = {"ours": OURS, "empty, with Rich": empty(), "empty, plain": empty("rich_markup_mode=None")}
        files = {name: Path(folder, f"app_{index}.py") for index, name in enumerate(programs)}
        for name, path in files.items():
            path.write_text(programs[name] + PRINT_TIME, "utf-8")
        found: dict[str, list[float]] = {name: [] for name in programs}
        for number in range(rounds + 1):
            for name in random.sample(list(files), len(files)):
                spent = measured(files[name])
                if number:  # the first round fills the page cache
                    found[name].append(spent)
    for name, values in found.items():
        ratio = median(found["ours"]) / median(values)
        print(f"{name:<17} {median(values) * 1000:6.1f} ms   ours / this: {ratio:.2f} (target: {TARGET})")


def measured(program: Path) -> float:
    """Seconds of processor time of a fresh interpreter."""
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, program, "--help"], env=environment, capture_output=True, check=True)
    assert b"Usage: " in done.stdout
    return float(done.stderr)


def empty(arguments: str = "") -> str:
    """The source of the app with empty commands."""
    group: Any = get_command(app)
    lines = ["import sys", "from typing import Annotated", "import typer", f"app = typer.Typer({arguments})"]
    lines += ["@app.callback()", f"def main({_signature(group.params)}):", f"    {group.help!r}"]
    for index, (name, command) in enumerate(group.commands.items()):
        lines += [
            f"@app.command({name!r})",
            f"def command_{index}({_signature(command.params)}):",
            f"    {command.help!r}",
        ]
    return "\n".join([*lines, "try:", "    app()", ""])


def _signature(parameters: list[Any]) -> str:
    declared = []
    for parameter in parameters:
        if parameter.name in {"install_completion", "show_completion", "help"}:  # Typer adds these
            continue
        kind = "Argument" if parameter.param_type_name == "argument" else "Option"
        names = [repr(each) for each in parameter.opts] if kind == "Option" else []
        options = ", ".join([*names, f"help={parameter.help!r}"])
        type_name = "bool" if getattr(parameter, "is_flag", False) else "str"
        default = "False" if type_name == "bool" else "''"
        declared.append(f"{parameter.name}: Annotated[{type_name}, typer.{kind}({options})] = {default}")
    return ", ".join(declared)


if __name__ == "__main__":
    main()
