"""The figures of the README: `python -m benchmarks`. See README.md here."""
