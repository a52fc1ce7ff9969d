"""One module for each competitor: `ready(job)` builds clients and returns a function that copies a file by name."""
