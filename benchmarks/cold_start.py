"""`make bench-cold-start`: imports and clients of each function in a fresh interpreter, compared with a plain script.

The functions run from the asset that is deployed, with bytecode, as on a Lambda whose Python built it. Both use the
installed boto3. The measure is processor time, not wall-clock time. The speed of a shared processor changes by half
within seconds, so each ratio is that of two runs in a row, and the table has the median of the ratios.
"""

import argparse
import os
import platform
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from benchmarks.page import markdown, save
from infra import lambda_asset, lambda_files
from infra.settings.settings import Architecture

TARGET = 1.15
CLIENTS: Mapping[str, tuple[str, ...]] = {
    "plan_run": ("discovery", "dynamodb", "s3"),
    "check_exports": ("discovery", "dynamodb", "s3", "events"),
    "store_export": ("discovery", "dynamodb", "s3", "events"),
    "report_run": ("dynamodb", "s3", "events"),
    "collect_exports": ("discovery", "dynamodb", "events", "discovery to start"),
}
ADAPTERS = {
    "discovery": "dependencies.service()",
    "dynamodb": "dependencies.catalog()",
    "s3": "dependencies.bucket()",
    "events": "dependencies.publisher()",
    "discovery to start": "collect_exports.agent_service()",
}
"""What creates each client. The collector has two of the service: starts are never retried."""
ENVIRONMENT = {
    "PATH": os.defpath,
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "table",
    "BUCKET_NAME": "bucket",
    "ACCOUNT_ID": "123456789012",
    "DISCOVERY_ACCOUNT_ID": "123456789012",
    "DISCOVERY_REGION": "us-east-1",
    "EVENT_BUS_NAME": "default",
    "TABLE_ARN": "arn:aws:dynamodb:us-east-1:111122223333:table/catalog",
    "POWERTOOLS_SERVICE_NAME": "discovery-exports",
}
ARCHITECTURE: Architecture = "x86_64" if platform.machine() == "x86_64" else "arm64"
PRINT_TIME = "\nimport time; print(time.process_time())"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="fresh interpreters of each kind (default: %(default)s)")
    rounds = parser.parse_args().rounds
    with TemporaryDirectory() as folder:
        lambda_asset.build(Path(folder), lambda_files.all_files(ARCHITECTURE))
        subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
        found = {name: measured(name, Path(folder), rounds) for name in CLIENTS}
    print(table(found))
    facts = {"machine": machine(), "python": sys.version.split()[0], "functions": found}
    save("cold-start", facts, "performance.md", table(found))


def measured(function: str, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time in each round, for our function and the plain script, in random order."""
    programs = {"ours": ours(function), "bare": bare(function)}
    found: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        names = list(programs)
        random.shuffle(names)
        for name in names:
            spent = run(programs[name], folder)
            if number:  # the first round fills the page cache
                found[name].append(round(spent * 1000, 1))
    return found


def ours(function: str) -> str:
    """What Lambda does before the first response: it imports the module and creates the adapters."""
    calls = "".join(f"\n{ADAPTERS[client]}" for client in CLIENTS[function])
    return f"import {function}\nfrom exports import dependencies{calls}"


def bare(function: str) -> str:
    calls = "".join(f"\nsession.client({client.split()[0]!r})" for client in CLIENTS[function])
    return f"import boto3\nsession = boto3.Session(){calls}"


def run(program: str, folder: Path) -> float:
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program + PRINT_TIME], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def table(found: Mapping[str, Mapping[str, list[float]]]) -> str:
    rows = [("function", "ms", "ms of a plain script with the same clients", "ratio", f"target ≤ {TARGET} x")]
    for name, times in found.items():
        ratio = median(ours / bare for ours, bare in zip(times["ours"], times["bare"], strict=True))
        met = "met" if ratio <= TARGET else "NOT MET"
        rows.append((name, f"{median(times['ours']):.0f}", f"{median(times['bare']):.0f}", f"{ratio:.2f} x", met))
    return markdown(*rows)


if __name__ == "__main__":
    main()
