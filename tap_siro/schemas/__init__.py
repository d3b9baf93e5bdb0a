"""Columns of every stream."""
