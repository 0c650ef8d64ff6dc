"""The catalogue page: the three tiers of a context side by side, and a form in which a visitor moves wishes.

The form goes by POST: what a person wishes and who they are stands in no address, history or log. The page
works without JavaScript; ``catalogue.js`` only sends the form while it is moved and puts the answer in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from governance.errors import BoundsError, PolicyError
from governance.policy.document import TierThreeDocument
from governance.policy.model import EffectivePolicy
from governance.policy.resolve import resolve
from governance.tiers import Tier
from infra.policy_cache import NoPolicyError, PolicyCache, Stack
from infra.policy_files import POLICIES, load_all
from infra.web import policy_words
from infra.web.catalogue_view import dimension_view, outcomes, rules_of, summary
from infra.web.document_view import document_view
from infra.web.pages import Pages
from infra.web.wish_form import WishForm

__all__ = ["PATH", "router"]

PATH = "/policies"

Places = Annotated[list[str] | None, Query(alias="jurisdiction", max_length=32)]
Application = Annotated[str | None, Query(max_length=64)]
Example = Annotated[str | None, Query(max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The context of the stack that the address names."""

    jurisdictions: tuple[str, ...]
    application: str | None

    @property
    def query(self) -> str:
        """The same as the query of an address."""
        pairs = [("jurisdiction", code) for code in self.jurisdictions]
        pairs += [("application", self.application)] if self.application else []
        return urlencode(pairs)


def router(cache: PolicyCache, pages: Pages, *, profiles: Sequence[str] = ()) -> APIRouter:
    """The routes ``/policies`` and ``/policies/{id}/{version}``.

    Args:
        cache: The policy stack.
        pages: Renders.
        profiles: Tier Three documents the form can start from, packs or files; the shipped ones come after.
    """
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    examples = _examples(profiles)

    def show(asked: _Asked, form_for: Callable[[EffectivePolicy], WishForm]) -> HTMLResponse:
        try:
            stack = cache.stack()
            application = asked.application or _first(stack, cache)
            policy = cache.policy(jurisdictions=asked.jurisdictions or None, application=application)
        except (PolicyError, NoPolicyError) as error:
            return _refused(pages, error)
        return _page(pages, cache, stack, policy, asked, form_for(policy), examples)

    @routes.get(PATH)
    def catalogue(
        jurisdiction: Places = None, application: Application = None, example: Example = None
    ) -> HTMLResponse:
        asked = _Asked(jurisdictions=tuple(jurisdiction or ()), application=application or None)
        return show(asked, lambda policy: _start(_fitting(examples, policy), example))

    @routes.post(PATH)
    async def wish(
        request: Request, jurisdiction: Places = None, application: Application = None
    ) -> HTMLResponse:
        asked = _Asked(jurisdictions=tuple(jurisdiction or ()), application=application or None)
        body = await request.body()
        try:
            return await run_in_threadpool(show, asked, lambda policy: WishForm.read(body, policy))
        except ValueError as error:
            return pages.page("policy_refused.html", here=PATH, status=422, reason=str(error), is_ours=False)

    @routes.get(PATH + "/{id}/{version}")
    def document(
        id: Annotated[str, InPath(max_length=64)],  # noqa: A002 - the field's own word
        version: Annotated[str, InPath(max_length=32)],
    ) -> HTMLResponse:
        try:
            held = cache.stack().held.get((id, version))
        except NoPolicyError as error:
            return _refused(pages, error)
        if held is None:
            reason = f"The stack in use holds no document {id} in version {version}."
            return pages.page("policy_refused.html", here=PATH, status=404, reason=reason, is_ours=False)
        return pages.page(
            "policy_document.html", here=PATH, view=document_view(held), words=policy_words, held=held
        )

    return routes


def _page(
    pages: Pages,
    cache: PolicyCache,
    stack: Stack,
    policy: EffectivePolicy,
    asked: _Asked,
    form: WishForm,
    examples: Sequence[TierThreeDocument],
) -> HTMLResponse:
    fitting = _fitting(examples, policy)
    groups = [example for example in fitting if example.subject == "group"]
    group: dict[str, Any] = next((dict(one.wishes) for one in groups if one.id == form.group), {})
    answer = resolve(policy, {"wishes": form.wishes, "group": group, "context": form.context})
    found = outcomes(answer)
    return pages.page(
        "catalogue.html",
        here=PATH,
        stack=stack,
        policy=policy,
        asked=asked,
        form=form,
        fault=cache.fault,
        answer=answer,
        outcomes=found,
        summary=summary(found),
        tier_one=rules_of(policy, Tier.ONE, form.context),
        tier_two=rules_of(policy, Tier.TWO, form.context),
        refs={ref.digest: ref for ref in policy.documents},
        dimensions=[
            dimension_view(dimension, policy, answer.context, form.wishes.get(name))
            for name, dimension in policy.dimensions.items()
        ],
        people=[example for example in fitting if example.subject == "person"],
        groups=groups,
        words=policy_words,
    )


def _examples(profiles: Iterable[str]) -> list[TierThreeDocument]:
    """Tier Three documents a form can start from; one that cannot be read is left out, it is an example."""
    found: list[TierThreeDocument] = []
    sources: list[str | Path] = [*profiles, *sorted((POLICIES / "tier3").glob("*.yaml"))]
    for source in sources:
        try:
            found += [document for document in load_all([source]) if isinstance(document, TierThreeDocument)]
        except BoundsError:
            continue
    return found


def _fitting(examples: Iterable[TierThreeDocument], policy: EffectivePolicy) -> list[TierThreeDocument]:
    """The examples whose wishes and context this policy knows."""
    return [
        example
        for example in examples
        if set(example.wishes) <= set(policy.dimensions)
        and all(value in policy.context.get(name, ()) for name, value in example.context.items())
    ]


def _start(examples: Iterable[TierThreeDocument], asked: str | None) -> WishForm:
    """The form of the example that was asked for, or of the first person among them."""
    people = [example for example in examples if example.subject == "person"]
    chosen = next((one for one in people if asked in {None, one.id}), None)
    return WishForm.of_example(chosen) if chosen else WishForm()


def _first(stack: Stack, cache: PolicyCache) -> str | None:
    """The application a visitor sees who named none: the installation's, or the first there is."""
    return cache.application or next(iter(stack.applications), None)


def _refused(pages: Pages, error: PolicyError | NoPolicyError) -> HTMLResponse:
    is_ours = isinstance(error, NoPolicyError) or error.field == "effective"
    reason = error.diagnostics()
    return pages.page(
        "policy_refused.html", here=PATH, status=503 if is_ours else 422, reason=reason, is_ours=is_ours
    )
