"""The job as a pipeline of dlt: its `rest_api` source into JSON lines on disk, one resource for each thread.

dlt unnests the lists into tables of its own accord. As with the threaded loop, the parts are known beforehand.
"""

from __future__ import annotations

from typing import Any

import dlt  # type: ignore[import-not-found, unused-ignore]
from dlt.destinations import filesystem  # type: ignore[import-not-found, unused-ignore]
from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found, unused-ignore]

from benchmarks.contestants.task import FLAGS, PAGE_SIZE, PATH, USER_AGENT, Task, read


def main(task: Task) -> None:
    """Run the pipeline."""
    config: Any = {
        "client": {
            "base_url": task.url,
            "headers": {"User-Agent": USER_AGENT},
            "auth": {"type": "bearer", "token": task.token},
            "paginator": {"type": "cursor", "cursor_path": "cursor", "cursor_param": "cursor"},
        },
        "resource_defaults": {"primary_key": "id", "write_disposition": "append"},
        "resources": [
            {
                "name": f"recordings_{number}",
                "table_name": "recordings",
                "parallelized": True,
                "endpoint": {
                    "path": PATH.removeprefix("/"),
                    "params": {**FLAGS, **part, "pageSize": PAGE_SIZE},
                    "data_selector": "data",
                },
            }
            for number, part in enumerate(task.parts())
        ],
    }
    pipeline = dlt.pipeline(
        "siro",
        pipelines_dir=f"{task.directory}/pipelines",
        destination=filesystem(f"file://{task.directory}/tables"),
        dataset_name="siro",
    )
    pipeline.run(rest_api_source(config), loader_file_format="jsonl")


if __name__ == "__main__":
    main(read())
