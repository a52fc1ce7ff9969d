"""An S3 on loopback, over TLS, made to be fast: a source behind a link and a bucket, each a process of its own."""
