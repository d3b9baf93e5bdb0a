"""An hourly sync of several organizations with Airflow 3: one mapped task for each, with a state of its own.

Each organization is a connection `siro_<name>` that holds its token as the password. Tasks run on different workers, so
the state is in a bucket.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

ORGANIZATIONS = ["acme", "globex"]

with DAG(
    "siro",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # two syncs at once would write the same state
):
    BashOperator.partial(
        task_id="recordings",
        bash_command="meltano --environment=prod run recordings",
        cwd="/opt/siro",  # the Meltano project
        append_env=True,
        retries=2,  # the next try goes on where the last one ended
        retry_delay=timedelta(minutes=5),
    ).expand(
        env=[
            {
                "SIRO_ORGANIZATION": name,
                "TARGET_DUCKDB_DEFAULT_TARGET_SCHEMA": f"siro_{name}",
                "TAP_SIRO_API_TOKEN": f"{{{{ conn.siro_{name}.password }}}}",
                "MELTANO_STATE_BACKEND_URI": "s3://your-bucket/meltano-state",
            }
            for name in ORGANIZATIONS
        ]
    )
