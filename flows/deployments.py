"""Applies ``infra/prefect.yaml``: work pools and deployments, for every site of the data folder.

``prefect deploy`` does the same, at ten seconds a deployment and one site at a time; this takes three
seconds for all of them. ``python -m flows.deployments apply [--file FILE]`` talks to ``PREFECT_API_URL``.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import load_flow_arguments_from_entrypoint
from prefect.utilities.callables import ParameterSchema, parameter_schema_from_entrypoint
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance.errors import BoundsError, InputError, in_words
from infra.settings import load_settings

__all__ = ["DEFAULT_FILE", "apply", "read_deployments"]

DEFAULT_FILE = Path(__file__).resolve().parents[1] / "infra" / "prefect.yaml"
_SITE = re.compile(r"\{\{\s*\$BOUNDS_SITE\s*\}\}")


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Pool(_Wire):
    name: str


class _Schedule(_Wire):
    slug: str
    cron: str | None = None
    interval: float | None = Field(default=None, gt=0)
    timezone: str = "UTC"
    active: bool = True

    def create(self) -> DeploymentScheduleCreate:
        if (self.cron is None) == (self.interval is None):
            raise InputError("a schedule has either cron or interval", field=self.slug)
        schedule: CronSchedule | IntervalSchedule = (
            CronSchedule(cron=self.cron, timezone=self.timezone)
            if self.cron
            else IntervalSchedule.model_validate({"interval": self.interval, "timezone": self.timezone})
        )
        return DeploymentScheduleCreate(schedule=schedule, active=self.active, slug=self.slug)


class Deployment(_Wire):
    """One entry of the file, for one site where it names the site."""

    name: str
    entrypoint: str
    work_pool: _Pool
    description: str | None = None
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[_Schedule, ...] = ()


def read_deployments(file: Path, sites: Sequence[str]) -> list[Deployment]:
    """The deployments of a file; an entry that names ``$BOUNDS_SITE`` once per site.

    Raises:
        InputError: The file cannot be read or has a field that does not fit.
    """
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = data["deployments"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot be read: {in_words(error)}", file=str(file), expected="a YAML file with deployments"
        ) from error
    try:
        return [
            Deployment.model_validate(expanded)
            for entry in entries
            for expanded in ([_for_site(entry, site) for site in sites] if _names_site(entry) else [entry])
        ]
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            first["msg"], file=str(file), field=".".join(map(str, first["loc"])), value=first["input"]
        ) from error


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _names_site(entry: Any) -> bool:
    return any(_SITE.search(text) for text in _texts(entry))


def _for_site(value: Any, site: str) -> Any:
    if isinstance(value, str):
        return _SITE.sub(site, value)
    if isinstance(value, Mapping):
        return {key: _for_site(inner, site) for key, inner in value.items()}
    if isinstance(value, list):
        return [_for_site(inner, site) for inner in value]
    return value


async def apply(deployments: Sequence[Deployment], pools: Sequence[str]) -> list[str]:
    """Create or update the work pools and deployments; gives their full names.

    Raises:
        InputError: An entrypoint does not name a flow that can be found.
    """
    sources = {entry.entrypoint: _source(entry.entrypoint) for entry in deployments}
    # Given here, or each worker writes it at its start and two at a time lock the SQLite database.
    template = ProcessWorker.get_default_base_job_template()
    async with get_client() as client:
        for pool in {*pools, *(entry.work_pool.name for entry in deployments)}:
            try:
                await client.create_work_pool(
                    WorkPoolCreate(name=pool, type="process", base_job_template=template)
                )
            except ObjectAlreadyExists:
                continue
        return [await _apply(client, entry, *sources[entry.entrypoint]) for entry in deployments]


def _source(entrypoint: str) -> tuple[str, ParameterSchema]:
    """Name and parameters of a flow, read from its source: importing every flow would take seconds."""
    try:
        schema = parameter_schema_from_entrypoint(entrypoint)
        named = load_flow_arguments_from_entrypoint(entrypoint, {"name"})
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise InputError(
            f"no such flow: {error}", field="entrypoint", value=entrypoint, expected="package.module.function"
        ) from error
    return named.get("name") or entrypoint.rpartition(".")[2].replace("_", "-"), schema


async def _apply(client: PrefectClient, entry: Deployment, flow: str, schema: ParameterSchema) -> str:
    await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow),
        name=entry.name,
        description=entry.description,
        tags=list(entry.tags),
        parameters=entry.parameters,
        parameter_openapi_schema=schema.model_dump_for_openapi(),
        enforce_parameter_schema=True,
        entrypoint=entry.entrypoint,
        work_pool_name=entry.work_pool.name,
        schedules=[schedule.create() for schedule in entry.schedules],
        pull_steps=[],
    )
    return f"{flow}/{entry.name}"


def main(argv: Sequence[str]) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m flows.deployments", description=__doc__)
    parser.add_argument("what", choices=["apply"])
    parser.add_argument("--file", type=Path, default=DEFAULT_FILE)
    options = parser.parse_args(argv)
    try:
        settings = load_settings()
        deployments = read_deployments(options.file, [site.id for site in settings.sites])
        pools = [*(site.work_pool for site in settings.sites), "central"]
        for name in asyncio.run(apply(deployments, pools)):
            sys.stdout.write(f"{name}\n")
    except BoundsError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
