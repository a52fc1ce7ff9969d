"""Benchmarks of copying, polling, cold starts, tables and sweeps: `make bench` and `make bench-…`."""
