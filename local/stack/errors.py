"""The error of the local AWS."""


class LocalAwsFailed(Exception):
    """The message is for the user of the command: what is missing, or what failed, with the end of its log."""
