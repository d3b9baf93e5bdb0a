"""Other programs that do the tap's job. Each module is one: `python -m benchmarks.contestants.<name>`."""
