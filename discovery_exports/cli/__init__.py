"""The command ``discovery-exports``: shows what a stack has stored, starts runs and follows them.

The rules and data of the Lambda functions that it shares, such as the outcomes, are modules of the package ``exports``,
which this package finds beside itself, in a checkout as in the wheel. It imports only those that need no more than the
standard library and boto3.
"""

import sys

from discovery_exports.locations import FUNCTIONS

if str(FUNCTIONS) not in sys.path:
    sys.path.insert(0, str(FUNCTIONS))
