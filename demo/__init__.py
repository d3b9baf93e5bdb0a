"""Two syncs into DuckDB against a stand-in for Siro's API: `python3 -m demo`."""


class DemoError(Exception):
    """Failure of the demo, described in a sentence."""
