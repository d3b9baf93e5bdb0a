"""Hourly sync of several organizations into PostgreSQL with Airflow 3: one mapped task per organization.

Connections: `siro_<organization>` holds the organization's token as its password, and `siro_warehouse` the host, port,
login, password and schema (the database) of the PostgreSQL server. The state is in a bucket and the target is a server,
because tasks run on different workers: a file would be scattered over their disks.
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
        bash_command="meltano --environment=prod run tap-siro target-postgres",
        cwd="/opt/siro",  # the Meltano project
        append_env=True,
        retries=2,  # a retry continues where the last try ended
        retry_delay=timedelta(minutes=5),
    ).expand(
        env=[
            {
                "SIRO_ORGANIZATION": name,
                "TAP_SIRO_API_TOKEN": f"{{{{ conn.siro_{name}.password }}}}",
                "TARGET_POSTGRES_HOST": "{{ conn.siro_warehouse.host }}",
                "TARGET_POSTGRES_PORT": "{{ conn.siro_warehouse.port or 5432 }}",
                "TARGET_POSTGRES_USER": "{{ conn.siro_warehouse.login }}",
                "TARGET_POSTGRES_PASSWORD": "{{ conn.siro_warehouse.password }}",
                "TARGET_POSTGRES_DATABASE": "{{ conn.siro_warehouse.schema }}",
                "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": f"siro_{name}",
                "MELTANO_STATE_BACKEND_URI": "s3://your-bucket/meltano-state",
            }
            for name in ORGANIZATIONS
        ]
    )
