"""Generators of documentation and configuration that are derived from the code, and checks for maintainers."""
