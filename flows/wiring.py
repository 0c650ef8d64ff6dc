"""The one place where parts are joined: settings become a store, a database, sources, a policy, a clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from annotation.ports import JudgementSource, ObjectStore
from governance.errors import OutsideError
from infra.database import Database, open_database
from infra.objects import open_store
from infra.settings import Settings, SiteSettings, load_settings

if TYPE_CHECKING:
    from annotation.checks import Check
    from governance.gate import Terms
    from governance.policy.model import EffectivePolicy
    from governance.promotion import Approval
    from governance.provenance import Trust
    from infra.label_studio import LabelStudioSite
    from infra.ledger import Decision
    from infra.person_keys import PersonKeys
    from infra.registry import Registry

__all__ = ["Platform", "approvals", "clock", "data_checks", "newest_decision", "open_platform"]

# A flow's task is tried again anyhow; within one try a restarting server is waited for this long.
_PATIENCE_SECONDS: Final = 5.0


def clock() -> datetime:
    """Now, in UTC: the only clock of the way; everything below takes the time as an argument."""
    return datetime.now(UTC)


def approvals(policy: EffectivePolicy) -> list[Approval]:
    """The signatures that the policy asks for beside the auditor's, as decisions state them."""
    from governance.promotion import Approval

    return [Approval(roles=each.roles, threshold=each.threshold) for each in policy.promotion.approvals]


def newest_decision(platform: Platform, model: str, version: str) -> Decision | None:
    """The decision signed last about a version; later ones replace earlier ones, whatever they say."""
    from infra.ledger import decisions

    found = [row for row in decisions(platform.db) if (row.model, row.version) == (model, version)]
    return found[-1] if found else None


def data_checks(policy: EffectivePolicy) -> tuple[Check, ...]:
    """The checks that the record and the policy's data rules ask for, each with the document behind it."""
    from annotation.policy_checks import checks_for

    return checks_for(
        {
            "id": need.id,
            "check": need.check,
            **need.terms,
            "document": need.document.id,
            "version": need.document.version,
            "digest": need.document.digest,
        }
        for need in policy.data_requirements
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything a step needs of the outside, joined from the settings of one data folder."""

    settings: Settings
    store: ObjectStore
    db: Database
    closing: ExitStack

    def site(self, name: str) -> SiteSettings:
        """Settings of a site."""
        return self.settings.site(name)

    def keys(self, site: str) -> PersonKeys:
        """The keys of a site's people, under which what they say lies sealed."""
        from infra.person_keys import open_person_keys

        return open_person_keys(self.settings, site)

    def policy(self, at: datetime) -> EffectivePolicy:
        """The policy in force at an instant, as the settings name it; its documents are recorded."""
        from governance.digest import canonical
        from governance.policy.compose import compose
        from governance.policy.document import canonical_form, document_digest
        from infra.ledger import PolicyVersion, record_policy
        from infra.policy_files import load_pack
        from infra.policy_history import record_effective

        documents = load_pack(self.settings.policy)
        effective = compose(
            documents,
            at=at,
            jurisdictions=self.settings.jurisdictions or None,
            application=self.settings.application,
        )
        for document in documents:
            version = PolicyVersion(
                id=document.id,
                version=document.version,
                digest=document_digest(document),
                tier=document.tier,
                text=canonical(canonical_form(document)).decode(),
                first_seen=at,
            )
            record_policy(self.db, version)
        record_effective(
            self.db,
            effective,
            documents=map(document_digest, documents),
            jurisdictions=self.settings.jurisdictions or None,
            application=self.settings.application,
            at=at,
        )
        return effective

    def trust(self, at: datetime) -> Trust:
        """Whose signatures count as what: ``trust.json`` beside the keys, without the keys taken back since."""
        from infra.trust import current_trust

        return current_trust(self.settings, self.db, at)

    def joined(self, decision: Decision, at: datetime) -> bytes:
        """A decision's envelope with every approval on it that counts now."""
        from infra.approvals import joined

        return joined(self.db, decision.envelope.encode(), trust=self.trust(at), now=at)

    def publish(self, at: datetime) -> Terms:
        """Tell the gates of the registries what holds now: policy, trust, newest decisions with their approvals.

        Raises:
            InputError: The policy in force protects no alias.
        """
        from infra.gate.publication import publish_terms

        return publish_terms(self.settings, self.db, policy=self.policy(at), now=at)

    def label_studio(self, site: str) -> LabelStudioSite | None:
        """The Label Studio of a site, None where it has none."""
        from infra.label_studio import LabelStudioSite

        settings = self.site(site)
        if settings.label_studio_url is None:
            return None
        return self.closing.enter_context(LabelStudioSite(settings, patience=_PATIENCE_SECONDS))

    def sources(self, site: str) -> list[JudgementSource]:
        """The places where judgements of a site are given."""
        from infra import catalogue
        from infra.label_studio_pull import LabelStudioSource
        from infra.simulated_panel import enrolled

        keyed = self._keyed_sources(site)
        server = self.label_studio(site)
        if server is None:
            return keyed
        shown = {row.presentation: asdict(row) for row in catalogue.presentations(self.db, site)}
        items = {
            row["item"]: row for row in catalogue.items(self.db, {row["item"] for row in shown.values()})
        }
        label_studio = LabelStudioSource(
            server, presentations=shown, items=items, annotators=enrolled(server)
        )
        return [label_studio, *keyed]

    def _keyed_sources(self, site: str) -> list[JudgementSource]:
        from infra.feedback import FeedbackSource
        from infra.portal_source import PortalSource

        if not self.site(site).key.get_secret_value():
            return []  # without a key nobody can have been asked there
        keys = self.keys(site)
        return [PortalSource(self.db, keys, site), FeedbackSource(self.db, keys, site)]

    def profiles(self, site: str) -> list[dict[str, Any]]:
        """What a site's people said about themselves: recorded with imports and panels, or at the portal."""
        from infra import people
        from infra.answers import portal_profiles

        recorded = people.profiles(self.db, site)
        if not self.site(site).key.get_secret_value():
            return recorded
        return recorded + portal_profiles(self.db, self.keys(site), site)

    def registry(self) -> Registry:
        """The model registry; MLflow's own functions in this process use the same server from now on."""
        import mlflow

        from infra.registry import Registry

        mlflow.set_tracking_uri(self.mlflow_url)
        mlflow.set_registry_uri(self.mlflow_url)
        return Registry(self.mlflow_url)

    @property
    def mlflow_url(self) -> str:
        """Address of the MLflow server.

        Raises:
            OutsideError: None is configured or running.
        """
        if self.settings.mlflow_url is None:
            raise OutsideError(
                f"no MLflow server for {self.settings.home}: start one with `bounds up` or set BOUNDS_MLFLOW_URL"
            )
        return self.settings.mlflow_url


@contextmanager
def open_platform(home: str | Path | None = None) -> Iterator[Platform]:
    """The platform of a data folder, closed again on leaving."""
    settings = load_settings(Path(home) if home else None)
    with ExitStack() as closing:
        db = closing.enter_context(open_database(settings, now=clock()))
        yield Platform(settings=settings, store=open_store(settings), db=db, closing=closing)
