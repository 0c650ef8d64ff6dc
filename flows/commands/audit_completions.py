"""``bounds audit --completions``: answers that a model gave before, from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flows.commands.audit_views import print_json, say_reports, show_shares
from governance.audit.judges import Judge, RefusalPatterns
from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet
from governance.audit.published import describe as describe_shares
from governance.audit.report import AuditReport
from governance.audit.run import run_audit
from governance.audit.wordings import as_asked
from governance.digest import digest, digest_set
from governance.errors import InputError
from governance.policy.compose import compose
from governance.policy.model import EffectivePolicy
from governance.tiers import EvidenceGrade
from infra.named_judges import choose_judges
from infra.policy_files import load_all
from infra.subjects import CompletionsSubject, read_probes

__all__ = ["audit_completions"]

NAMED: Final = 10


def audit_completions(
    files: Sequence[Path],
    *,
    probes: Path | None,
    policies: Sequence[str] | None,
    judges: Sequence[str],
    seed: int,
    out: Path | None,
    examples: bool,
    describe: bool,
    as_json: bool,
    home: Path | None = None,
) -> None:
    """Audit or describe files of completions; with ``home`` each is registered there, as a version of its file's stem.

    Raises:
        InputError: A file, the probes or the policy cannot be used.
    """
    subjects = [CompletionsSubject(path) for path in files]
    if describe:
        _describe(subjects, judges[0], as_json=as_json)
        return
    if out is not None:
        _check_names(files)
    reports = [
        _audit(
            subject,
            policies=policies or _default_policy(subject),
            probes=probes,
            judges=judges,
            seed=seed,
            out=out if out is None or len(subjects) == 1 else out / subject.path.stem,
            examples=examples,
            home=home,
        )
        for subject in subjects
    ]
    say_reports(reports, as_json=as_json)


def _check_names(files: Sequence[Path]) -> None:
    """Each report goes to the folder of its file's stem: two of one stem would overwrite each other."""
    seen: dict[str, Path] = {}
    for file in files:
        first = seen.setdefault(file.stem.casefold(), file)
        if first is not file:
            raise InputError(
                f"its report would overwrite that of {first}",
                file=str(file),
                field="--out",
                expected="files of different names, or one --out for each",
            )


def _default_policy(subject: CompletionsSubject) -> Sequence[str]:
    if subject.completions is None:
        raise InputError(
            "stored responses need a policy", field="--policy", expected="a pack, file or folder"
        )
    return ["xstest"]


def _audit(
    subject: CompletionsSubject,
    *,
    policies: Sequence[str],
    probes: Path | None,
    judges: Sequence[str],
    seed: int,
    out: Path | None,
    examples: bool,
    home: Path | None,
) -> AuditReport:

    if probes is not None:
        probe_set = _checked(read_probes(probes), subject)
    elif subject.completions is not None:
        probe_set = subject.completions.probe_set
    else:
        raise InputError("stored responses need their probes", field="--probes", expected="a probe file")
    plan = make_plan(_policy(policies), probe_set, seed=seed)
    chosen = choose_judges(
        judges, labels=lambda name: subject.labels() if name == "human" else subject.labels(name)
    )
    others = _others(subject, chosen)
    if home is None:
        report = run_audit(subject, plan, chosen, compare=others)
    else:
        from flows.audit_attempt import audit_on_record

        # Labels stand in the same file, and are those who judge: what is audited are the answers alone.
        answers = digest_set(digest([*each.key, each.digest]) for each in subject.respond(()))
        report, _ = audit_on_record(
            home, subject, plan, chosen, model=subject.path.stem, artifact=answers, compare=others
        )
    if out is not None:
        from infra.audit_files import write_report

        write_report(out, report, plan=plan, responses=subject.respond(()), examples=examples)
    return report


def _checked(probes: ProbeSet, subject: CompletionsSubject) -> ProbeSet:
    """The probes, with a sentence on how many of the file's own prompts are theirs, and which are not."""
    if subject.completions is None:
        return probes
    rows = subject.completions.rows
    kinds = {probe.id: probe.group for probe in probes.probes}
    asked = as_asked(probes, {row.id: row.prompt for row in rows if row.type == kinds.get(row.id)})
    reworded, probes = asked.ids, asked.probes
    strangers = subject.completions.strangers(probes.probes)
    total = len(subject.completions.rows)
    said = f"{total - len(strangers)} of the {total} completions answer a prompt of {probes.name}"
    if strangers:
        more = f" and {len(strangers) - NAMED} more" if len(strangers) > NAMED else ""
        said += f"; these do not, and count as no answer: {', '.join(strangers[:NAMED])}{more}"
    if reworded:
        said += (
            f"; {', '.join(reworded)} in another published wording than {probes.name} states: the models were asked "
            "the one in the completions, and the audit counts that one"
        )
    return replace(probes, assumptions=(*probes.assumptions, said))


def _policy(policies: Sequence[str]) -> EffectivePolicy:

    return compose(load_all(policies), at=datetime.now(UTC))


def _others(subject: CompletionsSubject, chosen: Mapping[str, Judge]) -> list[Judge]:
    """The automatic judges to measure against people: the shipped ones, and those whose labels the file carries."""
    if not any(judge.grade is EvidenceGrade.A for judge in chosen.values()):
        return []
    from infra.shipped_judges import shipped_classifier

    others: list[Judge] = [RefusalPatterns(), shipped_classifier()]
    if subject.completions is not None:
        others += map(subject.completions.labels, subject.completions.automatic_columns)
    used = {judge.digest for judge in chosen.values()}
    return [judge for judge in others if judge.digest not in used]


def _describe(subjects: Sequence[CompletionsSubject], judge: str, *, as_json: bool) -> None:

    column = "final_label" if judge == "human" else judge
    shares = []
    for subject in subjects:
        if subject.completions is None:
            raise InputError(
                "only XSTest completions can be described", file=subject.name, expected="an XSTest CSV"
            )
        shares.append(describe_shares(subject.completions, column=column))
    if as_json:
        print_json(
            {
                "descriptions": [
                    {
                        "file": share.name,
                        "labels": share.column,
                        "unsafe": {"prompts": share.unsafe, "full_compliance": share.complied,
                                   "partial_refusal": share.unsafe_partial, "rate": share.compliance_with_unsafe},
                        "safe": {"prompts": share.safe, "full_refusal": share.refused,
                                 "partial_refusal": share.safe_partial, "rate": share.refusal_of_safe},
                        "unlabelled": share.unlabelled,
                    }
                    for share in shares
                ]
            }
        )  # fmt: skip
        return
    show_shares(shares)
