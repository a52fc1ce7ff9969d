"""Column names of the service's CSV files, as far as they are known, by kind and file (``headers.json``).

Public files have the names in ``EC2InstanceRecommendations.csv``, ``Server.csv``, ``Application.csv`` and
``ImportTemplate``. For agent files, public files show the number and order of the columns, but not their literal names.
All other names are derived from the field lists of the user guide. The functions read exports with a list of their own,
so that tests find an error in either list.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

HEADERS: Mapping[str, Mapping[str, Sequence[str]]] = json.loads(
    Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
)
