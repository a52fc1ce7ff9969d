"""The job of a competitor."""

from dataclasses import dataclass

from benchmarks import jobs


@dataclass(frozen=True, slots=True)
class Job(jobs.Job):
    """Copy each of the files ``names`` to the bucket, under its name.

    A copy that may be killed stores in ``progress_file`` what the next process needs to resume it. ``pause_seconds`` is
    the base of the pauses between attempts.
    """

    progress_file: str = ""
    pause_seconds: float = 0.25
