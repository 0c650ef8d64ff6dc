"""A language model behind an OpenAI-compatible endpoint as a judge.

What it is told and how its reply is read is :mod:`governance.audit.rubric`; asking is the same engine that
asks subjects, so replies are cached, durable and counted, and a killed audit does not pay for them twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from governance.audit import rubric
from governance.audit.judges import Judge, Label, Question
from governance.audit.probes import Probe
from governance.audit.responses import Response
from governance.audit.rubric import CONTROLS, PASSES, Asked, Doubt
from governance.digest import digest
from governance.tiers import EvidenceGrade
from infra.asking import Asker
from infra.asking_accounts import Accounts
from infra.chat_endpoint import Conversation, Endpoint
from infra.evidence import Evidence, EvidenceRow

__all__ = ["RubricJudge", "Ruled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """What the judge said of the answers of one cell; any other answer it has not seen.

    ``doubts`` counts why it abstained.
    """

    labels: Mapping[tuple[str, str], Label]
    doubts: Mapping[str, int]
    id: str
    version: str
    digest: str
    grade: EvidenceGrade = EvidenceGrade.C

    def label(self, probe: Probe, response: Response) -> Label:
        """The label of exactly this answer."""
        return self.labels.get((probe.id, response.digest), Label.ABSTAINS)


@dataclass(slots=True, kw_only=True)
class RubricJudge:
    """The judge before it has seen anything; :meth:`for_cell` asks it.

    Args:
        endpoint: The judging model; temperature and seed are part of the judge's identity.
        evidence: File that keeps its replies.
    """

    endpoint: Endpoint
    evidence: Path
    version: str = rubric.VERSION
    grade: EvidenceGrade = EvidenceGrade.C
    accounts: Accounts = field(default_factory=Accounts)
    doubts: Counter[str] = field(default_factory=Counter)

    @property
    def id(self) -> str:
        """``rubric:MODEL``."""
        return f"rubric:{self.endpoint.model}"

    @property
    def digest(self) -> str:
        """Of the endpoint's identity and the rubric's version."""
        return digest(["rubric", self.version, self.endpoint.identity])

    def label(self, probe: Probe, response: Response) -> Label:  # noqa: ARG002 - the Protocol's signature
        """ABSTAINS: without a rule there is nothing to judge by."""
        return Label.ABSTAINS

    def for_cell(self, question: Question, asked: Sequence[tuple[Probe, Response]]) -> Judge:
        """The judge with its labels of every answer of a cell.

        The controls go first: where one comes out wrong, the answers are not even asked for.
        """
        labels: dict[tuple[str, str], Label] = {}
        doubts: Counter[str] = Counter()
        with Evidence(self.evidence) as evidence:
            wrong = self._controls(question, [probe for probe, _ in asked], evidence)
            if wrong:
                doubts[wrong] = len(asked)
            else:
                for (probe, response), found in zip(asked, self._ask(question, asked, evidence), strict=True):
                    said = rubric.settle(probe, rubric.judged_text(response), found)
                    if isinstance(said, Doubt):
                        doubts[said.reason] += 1
                    else:
                        labels[probe.id, response.digest] = said
        self.doubts += doubts
        return Ruled(
            labels=labels,
            doubts=dict(doubts),
            id=self.id,
            version=self.version,
            digest=digest([self.digest, question.rule, question.statement, question.direction.value]),
        )

    def _controls(self, question: Question, probes: Sequence[Probe], evidence: Evidence) -> str | None:
        """Why the judge is not to be trusted in this cell, if it is not."""
        first = {probe.expectation: probe for probe in reversed(probes)}
        known = [
            ((probe, Response(probe=probe.id, text=text)), expected)
            for expectation, probe in first.items()
            for text, expected in CONTROLS[expectation]
        ]
        replies = self._ask(question, [each for each, _ in known], evidence)
        right = sum(
            all(reply is expected for reply in said)
            for (_, expected), said in zip(known, replies, strict=True)
        )
        return (
            None
            if right == len(known)
            else f"the judge got {len(known) - right} of {len(known)} controls wrong"
        )

    def _ask(
        self, question: Question, asked: Sequence[tuple[Probe, Response]], evidence: Evidence
    ) -> list[list[Label | Doubt]]:
        put = [
            rubric.ask(question, probe, response, turn=turn)
            for probe, response in asked
            for turn in range(PASSES)
        ]
        fitting = [each for each in put if len(each.text) <= rubric.LONGEST]
        asker = Asker(self.endpoint, self.digest, evidence)
        rows = iter(asker.ask([_conversation(each) for each in fitting]))
        self.accounts.add(asker.accounts)
        said = [
            _read(each, next(rows))
            if len(each.text) <= rubric.LONGEST
            else Doubt(reason="the answer is too long")
            for each in put
        ]
        return [said[start : start + PASSES] for start in range(0, len(said), PASSES)]


def _conversation(asked: Asked) -> Conversation:
    form = {"type": "json_schema", "json_schema": {"name": "ruling", "strict": True, "schema": asked.schema}}
    return Conversation(steps=(asked.messages,), more={"response_format": form})


def _read(asked: Asked, rows: Sequence[EvidenceRow]) -> Label | Doubt:
    if not rows:
        return Doubt(reason="the judge was not asked")
    if rows[0].text is None:
        return Doubt(reason="the judge did not answer")
    return rubric.read(asked, rows[0].text)
