"""Tests of `meltano run tap-siro <target>` with real targets, and of the tables that it leaves.

Meltano, the targets and a PostgreSQL server are installed with pip; nothing else is needed.
"""
