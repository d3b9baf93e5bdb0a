"""A stand-in for BigQuery: scripts, each with an environment of its own."""
