"""Benchmarks, whose figures are in the README: `python -m benchmarks`. See README.md in this directory."""
