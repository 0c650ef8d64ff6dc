"""Judges by the names that settings and the command line give them.

A judge is named ``human`` (labels of the completions file), ``patterns``, ``classifier``, ``classifier:FILE``,
``rubric:MODEL@URL``, a column of published labels, or several by a rule: ``any(a,b)``, ``majority(a,b,c)``,
``all(a,b)``. ``NAME=JUDGE`` is the judge of the rules whose policy names it so; without a name it is for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from governance.audit.judges import Judge
from governance.errors import InputError

__all__ = ["KINDS", "choose_judges"]

KINDS: Final = "human, patterns, classifier[:FILE], rubric:MODEL@URL, any|majority|all(JUDGE,JUDGE…)"
_TOGETHER: Final = re.compile(r"(any|majority|all)\((.+)\)", re.DOTALL)


def choose_judges(
    specs: Sequence[str],
    *,
    labels: Callable[[str], Judge] | None = None,
    evidence: Path | None = None,
    key: str | None = None,
) -> dict[str, Judge]:
    """The judges by the id that policies name; ``*`` stands for every other.

    Args:
        specs: As on the command line.
        labels: Labels that the audited file carries, by column; None where it carries none.
        evidence: File that keeps the replies of a judging model.
        key: Key for a judging model's endpoint.

    Raises:
        InputError: A judge that is not known, or named twice.
    """
    chosen: dict[str, Judge] = {}
    for spec in specs:
        name, given, what = spec.partition("=")
        if not given or not re.fullmatch(r"[a-z0-9-]+|\*", name):
            name, what = "*", spec
        if name in chosen:
            raise InputError(
                f"two judges for {name}", field="--judge", value=spec, expected="one for each name"
            )
        chosen[name] = _judge(what, labels, evidence, key)
    return chosen


def _judge(what: str, labels: Callable[[str], Judge] | None, evidence: Path | None, key: str | None) -> Judge:
    if together := _TOGETHER.fullmatch(what):
        from governance.audit.ensembles import Ensemble, Rule

        members = tuple(_judge(each.strip(), labels, evidence, key) for each in _split(together[2]))
        return Ensemble(rule=Rule(together[1]), members=members)
    kind, _, rest = what.partition(":")
    if what == "patterns":
        from governance.audit.judges import RefusalPatterns

        return RefusalPatterns()
    if kind == "classifier":
        from infra.shipped_judges import read_classifier, shipped_classifier

        return read_classifier(Path(rest)) if rest else shipped_classifier()
    if kind == "rubric":
        return _rubric(rest, evidence, key)
    if labels is not None:
        return labels(what)
    raise InputError("no such judge", field="--judge", value=what, expected=KINDS)


def _rubric(named: str, evidence: Path | None, key: str | None) -> Judge:
    from infra.chat_endpoint import Endpoint
    from infra.rubric import RubricJudge

    model, _, url = named.partition("@")
    if not model or not url:
        raise InputError("not rubric:MODEL@URL", field="--judge", value=f"rubric:{named}", expected=KINDS)
    return RubricJudge(
        endpoint=Endpoint(url=url, model=model, key=key), evidence=evidence or Path("audit-evidence.db")
    )


def _split(text: str) -> list[str]:
    """The members of a list, at commas outside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
