"""Column names of the service's CSV files, as far as they are known; ``headers.json`` has them by kind and file.

Those of ``EC2InstanceRecommendations.csv``, ``Server.csv``, ``Application.csv`` and ``ImportTemplate`` were seen in
public files. Of the agent's files the number and order of the columns were seen, not their literal names. The rest is
made up from the field lists of the user guide. They are written down here once more, apart from what the exports are
read with, so that a slip in one shows against the other.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

HEADERS: Mapping[str, Mapping[str, Sequence[str]]] = json.loads(
    Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
)
