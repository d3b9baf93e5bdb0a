"""A stand-in for BigQuery: scripts that uv runs, each in an environment of its own."""
