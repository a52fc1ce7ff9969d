"""A module for each competitor: `ready(job)` returns a function that makes the tables of an export by name."""
