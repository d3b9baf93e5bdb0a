"""A stand-in for BigQuery: scripts, each with a separate environment."""
