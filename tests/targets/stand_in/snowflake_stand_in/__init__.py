"""A stand-in for Snowflake, made of fakesnow: for tests where there is no Snowflake."""

DIRECTORY = "SNOWFLAKE_STAND_IN"
"""The environment variable that names the directory of the databases, which are files."""
