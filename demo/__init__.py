"""Two syncs into DuckDB against a stand-in for Siro's API: `python3 -m demo`."""


class DemoError(Exception):
    """What went wrong, in a sentence."""
