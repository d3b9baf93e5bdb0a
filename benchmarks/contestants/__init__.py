"""The same job, done by others. Each module is a program: `python -m benchmarks.contestants.<name>`."""
