"""Who copies: one module each, with `ready(job)`, which builds clients and returns what copies one file by its name."""
