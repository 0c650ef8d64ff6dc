"""One stack for the tests of the way: two sites for the faults, two for the schedules; none of its own."""

import pytest

from infra.stack import Stack
from tests.support.stack import ANY_PORT
from tests.support.way import start_fork_server


@pytest.fixture(scope="package")
def way_stack(tmp_path_factory):
    """Label Studio, Prefect with workers, MLflow; four sites; no deployment."""
    folder = tmp_path_factory.mktemp("way")
    nothing = folder / "prefect.yaml"
    nothing.write_text("deployments: []\n")
    with Stack(
        folder / "home",
        sites=("north", "south", "east", "west"),
        ports=ANY_PORT,
        parts=("label_studio", "prefect", "mlflow", "workers"),
        deployments=nothing,
        environment={"BOUNDS_RETRY_SECONDS": "0.2,0.5,2,5,10"},
    ) as stack:
        start_fork_server(stack.settings)
        yield stack
