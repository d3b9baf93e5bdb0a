"""Columns, cleaning, and child records. Pure."""
