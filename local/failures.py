"""What can go wrong with the local AWS. Every message is meant for the one who ran the command.

LocalAwsFailed
├── NotSetUp            something must be done first; the message says what
├── AlreadyRunning      another command is at the same; the message says which
├── StartFailed         a server did not come up; the message ends with its log
├── DeploymentFailed    the CDK refused; the message ends with what it said
└── DoesNotEnd          a process survives its end
"""


class LocalAwsFailed(Exception):
    """Base of all of them."""


class NotSetUp(LocalAwsFailed):
    """Something must be made or mended first."""


class AlreadyRunning(LocalAwsFailed):
    """Only one such command at a time."""


class StartFailed(LocalAwsFailed):
    """A server ended, or did not answer in time."""


class DeploymentFailed(LocalAwsFailed):
    """``cdk bootstrap`` or ``cdk deploy`` failed."""


class DoesNotEnd(LocalAwsFailed):
    """A process that was killed still runs."""
