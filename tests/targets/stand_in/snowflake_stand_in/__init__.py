"""A stand-in for Snowflake, based on fakesnow."""

DIRECTORY = "SNOWFLAKE_STAND_IN"
"""Environment variable with the directory of the database files."""
