"""Rules, data and adapters behind the workflow's functions."""
