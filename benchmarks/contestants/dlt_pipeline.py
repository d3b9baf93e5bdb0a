"""The job as a pipeline of dlt: its `rest_api` source, one resource for each thread, into files or a database.

dlt itself unnests the lists into tables. As in the threaded loop, the date ranges are known beforehand.
"""

from __future__ import annotations

from typing import Any

import dlt  # type: ignore[import-not-found, unused-ignore]
from dlt.destinations import duckdb, filesystem, postgres  # type: ignore[import-not-found, unused-ignore]
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found, unused-ignore]

from benchmarks.contestants.task import PATH, USER_AGENT, Task, parser


def main(task: Task, destination: str, credentials: str, file_format: Any) -> None:
    """Run the pipeline."""
    config: Any = {
        "client": {
            "base_url": task.url,
            "headers": {"User-Agent": USER_AGENT},
            "auth": {"type": "bearer", "token": task.token},
            "paginator": {"type": "cursor", "cursor_path": "cursor", "cursor_param": "cursor"},
        },
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "append" if destination == "filesystem" else "merge",
        },
        "resources": [
            {
                "name": f"recordings_{number}",
                "table_name": "recordings",
                "parallelized": True,
                "endpoint": {
                    "path": PATH.removeprefix("/"),
                    "params": {**task.parameters, **part},
                    "data_selector": "data",
                },
            }
            for number, part in enumerate(task.parts())
        ],
    }
    destinations: dict[str, Any] = {
        "filesystem": lambda: filesystem(f"file://{task.directory}/tables"),
        "duckdb": lambda: duckdb(credentials),
        "postgres": lambda: postgres(credentials),
    }
    pipeline = dlt.pipeline(
        "siro",
        pipelines_dir=f"{task.directory}/pipelines",
        destination=destinations[destination](),
        dataset_name="siro",
    )
    pipeline.run(rest_api_source(config), loader_file_format=file_format)


if __name__ == "__main__":
    arguments = parser()
    arguments.add_argument("--destination", default="filesystem")
    arguments.add_argument("--credentials", default="")
    arguments.add_argument("--file-format", default="jsonl")
    options = vars(arguments.parse_args())
    where = {name: options.pop(name) for name in ("destination", "credentials", "file_format")}
    main(Task(**options), **where)
