"""Runs of `meltano run tap-siro <target>` with real targets, and the resulting tables.

Meltano, the targets and a PostgreSQL server are installed with pip; nothing else is needed.
"""
