"""Simulates collecting on a virtual clock, and writes the results to docs/collecting.md: ``make bench-collecting``."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict

from benchmarks.collecting.line_chart import line_chart
from benchmarks.collecting.scenarios import AGENTS, HISTORY, SCENARIOS
from benchmarks.collecting.simulation import Result, simulate
from benchmarks.machine import CORES
from benchmarks.page import markdown, save

SHOWN_DAYS = 120
DAYS = (1, 7, 30, 90)


def main() -> None:
    with ProcessPoolExecutor(CORES) as processes:
        results = []
        for result in processes.map(simulate, SCENARIOS):
            print(f"{result.name}: {result.starts} starts in {result.simulated_days} days", flush=True)
            results.append(result)
    facts = {"agents": AGENTS, "history_days": HISTORY.days, "results": [asdict(result) for result in results]}
    save("collecting", facts, "collecting.md", page(results), picture(results))


def page(results: Sequence[Result]) -> str:
    header = ["account", *(f"day {day}" for day in DAYS), "complete after", "starts", "refused", "most at once"]
    header += ["most in 24 h", "started twice"]
    image = "![The covered share over the days of each simulated account](benchmarks/collecting.svg)"
    return f"{markdown(header, *map(_row, results))}\n\n{image}"


def picture(results: Sequence[Result]) -> str:
    return line_chart({result.name: _extended(result) for result in results}, SHOWN_DAYS)


def _row(result: Result) -> list[str]:
    shares = _extended(result)
    complete = f"{result.days:g} days" if result.days else f"not in {result.simulated_days} days"
    return [
        result.name,
        *(f"{int(1000 * shares[day - 1]) / 10:g}%" if day <= len(shares) else "" for day in DAYS),
        complete,
        f"{result.starts:,}",
        f"{result.refusals:,}",
        str(result.most_at_once),
        str(result.most_in_24_hours),
        str(result.started_twice),
    ]


def _extended(result: Result) -> list[float]:
    """The shares of each day, with those after the end of the simulation, if everything was covered then."""
    more = SHOWN_DAYS - len(result.shares) if result.days else 0
    return [*result.shares, *[1.0] * max(0, more)]


if __name__ == "__main__":
    main()
