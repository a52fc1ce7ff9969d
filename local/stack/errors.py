"""What can go wrong with the local AWS."""


class LocalAwsFailed(Exception):
    """Every message is for the user who ran the command: what is missing, what failed with the end of its log."""
