"""Re-audit: find what was missed, judge again what holds a protected alias, demote what no longer passes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect import flow, get_run_logger
from prefect.events import emit_event

from flows.audit import audit_version
from flows.demotion import Swept, sweep_alias, unaudited
from flows.wiring import Platform, clock, open_platform
from governance.errors import BoundsError, OutsideError

__all__ = ["reaudit"]


@flow(name="reaudit", persist_result=False)
def reaudit(home: str | None = None) -> list[dict[str, Any]]:
    """Audit versions that nobody audited, then judge every holder of a protected alias.

    A holder is due where the policy, its decision, its approvals, its bytes or the data behind it changed. It is
    audited again; if it does not pass, its alias goes back to the last version that does, or to none.

    Returns:
        For each alias that a version carries: ``model``, ``version``, ``alias``, why it was ``due`` (empty if it
        was not), the new ``verdict`` with its ``reasons`` if it was, whether it was ``demoted``, and the ``successor``.
    """
    from infra.waiting import wake

    found: list[dict[str, Any]] = []
    logger = get_run_logger()
    with open_platform(home) as platform:
        registry = platform.registry()
        for info in unaudited(platform, registry):
            try:
                verdict = audit_version(platform, info.model, info.version)["verdict"]
                logger.info("%s %s was never audited: %s", info.model, info.version, verdict)
            except OutsideError:
                raise
            except (
                BoundsError
            ) as error:  # one version that cannot be audited must not hide a failing champion
                logger.warning("%s %s cannot be audited: %s", info.model, info.version, error)
        aliases = platform.policy(clock()).promotion.aliases
        for model in registry.models():
            for alias in sorted(aliases):
                swept = sweep_alias(platform, registry, model, alias, audit=audit_version)
                if swept is not None:
                    logger.info("%s %s (%s): %s", model, swept.version, alias, swept.verdict or "stands")
                    if swept.demoted:
                        tell(platform, swept)
                    found.append(_plain(swept))
        try:
            wake(platform.settings.prefect_api_url)
        except OutsideError as error:
            logger.warning("runs that wait for approvals were not woken: %s", error)
    return found


def tell(platform: Platform, swept: Swept) -> None:
    """Say that an alias was taken away: a Prefect event, and a POST where the settings name an address.

    The record in the log comes first and does not depend on either: a notice that nobody took is only logged.
    """
    from infra.notices import send_notice

    payload = _plain(swept)
    emit_event(
        event="bounds.demotion",
        resource={
            "prefect.resource.id": f"bounds.model.{swept.model}",
            "prefect.resource.name": f"{swept.model}@{swept.alias}",
        },
        payload=payload,
    )
    if platform.settings.notice_url:
        try:
            send_notice(platform.settings.notice_url, {"event": "bounds.demotion", **payload})
        except OutsideError as error:
            get_run_logger().warning("%s", error)


def _plain(swept: Swept) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(swept).items()}
