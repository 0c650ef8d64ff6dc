"""A panel that answers through the real Label Studio API: simulated people, and recorded votes of real ones.

The demonstration needs answers without asking anybody. They are written the way an annotation tool writes
them, by users made for it who have no password and whose address says what they are: ``…@panel.invalid`` is
simulated, ``…@replay.invalid`` replays votes that somebody recorded elsewhere. :func:`enrolled` reads that
back, so that every judgement of a simulated person is marked as simulated wherever it goes.

Two ways to write:

- :meth:`SimulatedPanel.annotate` posts one annotation after the other, as people would, each under a
  ``unique_id`` that makes it happen once.
- :meth:`SimulatedPanel.replay` imports tasks together with their annotations, some fifty times as fast; then
  the stored annotations are counted, because the server on SQLite can store the tasks without them while
  somebody else writes. What is missing is posted one by one.

INVARIANT: one writer at a time. The server on SQLite runs concurrent posts twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from annotation.decode import Annotator
from annotation.label_config import ANSWERS, PREFERENCE, RATIONALE, SHOWN
from annotation.presentations import task_data
from governance.errors import InputError, OutsideError
from infra.label_studio import LabelStudioError, LabelStudioSite
from infra.label_studio_tasks import import_tasks, tasks_by_presentation

__all__ = ["PanelAnswer", "PanelPerson", "SimulatedPanel", "enrolled", "seat"]

_SIMULATED: Final = "panel.invalid"
_REPLAYED: Final = "replay.invalid"
_NAMESPACE: Final = uuid.UUID("6b1f3d0e-5a0c-5c52-9d0a-3f2f0f6f7a11")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelAnswer:
    """What a person answers: a label of the page, a reason, and how long it took.

    Attributes:
        label: A key of :data:`annotation.label_config.ANSWERS`; positional, as the page shows the pair.
        rationale: Reason or None.
        seconds: Time on the page.
    """

    label: str
    rationale: str | None = None
    seconds: float | None = None


class PanelPerson(Protocol):
    """How the panel answers: pure, from the item, its presentation row and the person's id."""

    def __call__(
        self, item: Mapping[str, Any], presentation: Mapping[str, Any], person: str, /
    ) -> PanelAnswer | None:
        """The answer, or None if this person does not answer this presentation."""
        ...


def enrolled(site: LabelStudioSite) -> dict[int, Annotator]:
    """Label Studio user id → annotator, for the panel's users of this server; nobody else's."""
    found = {}
    for user in site.get("api/users/"):
        name, _, domain = str(user["email"]).partition("@")
        if domain in (_SIMULATED, _REPLAYED):
            found[int(user["id"])] = Annotator(annotator=name, simulated=domain == _SIMULATED)
    return found


def seat(presentation: Mapping[str, Any], people: Sequence[str]) -> str:
    """The person who takes a presentation: the slots of an item go to different people, in turn.

    Raises:
        InputError: More slots than people.
    """
    slot = int(presentation["slot"])
    if slot >= len(people):
        raise InputError(
            "more judgements per item than people in the panel",
            field="overlap",
            value=slot + 1,
            expected=f"at most {len(people)}",
        )
    start = uuid.uuid5(_NAMESPACE, presentation["item"]).int
    return people[(start + slot) % len(people)]


class SimulatedPanel:
    """People of a panel on one server.

    Args:
        site: The server.
        people: Their ids, as judgements will name them.
        simulated: False where their answers are recorded votes of real people.
    """

    def __init__(self, site: LabelStudioSite, people: Sequence[str], *, simulated: bool = True) -> None:
        if not people or len(set(people)) != len(people):
            raise InputError("a panel needs distinct people", field="people", value=list(people))
        self._site = site
        self.people = tuple(people)
        self._domain = _SIMULATED if simulated else _REPLAYED
        self._users: dict[str, int] | None = None

    def enrol(self) -> dict[str, int]:
        """Person → Label Studio user id; users that are missing are made. Safe to run again."""
        if self._users is None:
            wanted = {f"{person}@{self._domain}": person for person in self.people}
            listed = {str(u["email"]): int(u["id"]) for u in self._site.get("api/users/")}
            for email in wanted:
                if email not in listed:
                    listed[email] = self._make_user(email)
            self._users = {person: listed[email] for email, person in wanted.items()}
        return self._users

    def annotate(
        self,
        project: int,
        presentations: Iterable[Mapping[str, Any]],
        items: Mapping[str, Mapping[str, Any]],
        answer: PanelPerson,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Let the panel answer the presentations of a project, one after the other. Returns how many it gave.

        What somebody has answered already is left alone, so that a killed run goes on.

        Raises:
            InputError: The answer is none of the page's.
            OutsideError: A presentation has no task, or the server holds something else than was sent.
        """
        users = self.enrol()
        here = tasks_by_presentation(self._site, project)
        given = 0
        for row in presentations:
            tasks = here.get(row["presentation"])
            if not tasks:
                raise OutsideError(
                    f"site {self._site.id}: presentation {row['presentation']} has no task in project {project}"
                )
            person = seat(row, self.people)
            if not tasks[0]["annotations_ids"]:
                said = answer(items[row["item"]], row, person)
                if said is not None:
                    self._post(tasks[0]["id"], row, users[person], said)
                    given += 1
            if progress is not None:
                progress(1)
        return given

    def replay(
        self,
        project: int,
        presentations: Sequence[Mapping[str, Any]],
        items: Mapping[str, Mapping[str, Any]],
        answer: PanelPerson,
        *,
        person_of: Callable[[Mapping[str, Any]], str] | None = None,
    ) -> int:
        """Import the presentations of a project together with their answers. Returns how many are stored.

        Presentations whose tasks are already there are answered as :meth:`annotate` does; so this is fast
        where it comes before the import, and correct where it comes after or runs again.

        Args:
            project: The project; nobody else may be writing to its server.
            presentations: Presentation rows.
            items: Item id → ``ITEMS`` row.
            answer: What each person said.
            person_of: Who answers a presentation; :func:`seat` if not given.

        Raises:
            InputError: The answer is none of the page's.
            OutsideError: The server does not hold what was sent.
        """
        users = self.enrol()
        said: dict[str, tuple[Mapping[str, Any], int, PanelAnswer]] = {}
        tasks: dict[str, dict[str, Any]] = {}
        for row in presentations:
            person = seat(row, self.people) if person_of is None else person_of(row)
            item = items[row["item"]]
            tasks[row["presentation"]] = {"data": task_data(row, item)}
            given = answer(item, row, person)
            if given is not None:
                said[row["presentation"]] = (row, users[person], given)
                tasks[row["presentation"]]["annotations"] = [_imported(users[person], given)]
        import_tasks(self._site, project, tasks)
        here = tasks_by_presentation(self._site, project)
        for presentation, (row, user, given) in said.items():
            task = here[presentation][0]
            if not task["annotations_ids"]:
                self._post(task["id"], row, user, given)
        return len(said)

    def _make_user(self, email: str) -> int:
        # No password: nobody can log in as this user. The address is under a name that can never exist.
        name = email.partition("@")[0]
        try:
            made = self._site.attempt(
                "new panel user",
                lambda: self._site.client.users.create(
                    email=email,
                    username=name[:30],
                    first_name="Simulated" if self._domain == _SIMULATED else "Recorded",
                    last_name=name[:30],
                ),
                again=False,
            )
            return int(made.id)
        except LabelStudioError:
            listed = {str(u["email"]): int(u["id"]) for u in self._site.get("api/users/")}
            if email not in listed:
                raise
            return listed[email]

    def _post(self, task: int, row: Mapping[str, Any], user: int, given: PanelAnswer) -> None:
        result = _result(given)
        unique = str(uuid.uuid5(_NAMESPACE, f"{row['presentation']}/{task}/{user}"))
        send = partial(
            self._site.client.annotations.create,
            id=task,
            completed_by=user,
            lead_time=given.seconds,
            unique_id=unique,
            ground_truth=False,
            result=result,
            request_options={"max_retries": 0},
        )
        try:
            # Sent again after a broken connection: the unique id makes the second one a conflict.
            self._site.attempt(f"answer to task {task}", send)
        except LabelStudioError as error:
            if error.status != 409:
                raise
            stored = self._site.get(f"api/tasks/{task}/annotations/")
            same = [
                entry
                for entry in stored
                if entry["completed_by"] == user and _answers(entry["result"]) == _answers(result)
            ]
            if not same:
                raise OutsideError(
                    f"site {self._site.id}: task {task} holds another answer than the one sent under {unique}"
                ) from error


def _result(given: PanelAnswer) -> list[dict[str, Any]]:
    if given.label not in ANSWERS:
        raise InputError(
            "not an answer of the page", field="label", value=given.label, expected=", ".join(ANSWERS)
        )
    result: list[dict[str, Any]] = [
        {
            "from_name": PREFERENCE,
            "to_name": SHOWN,
            "type": "choices",
            "value": {"choices": [given.label]},
        }
    ]
    if given.rationale:
        result.append(
            {
                "from_name": RATIONALE,
                "to_name": SHOWN,
                "type": "textarea",
                "value": {"text": [given.rationale]},
            }
        )
    return result


def _imported(user: int, given: PanelAnswer) -> dict[str, Any]:
    return {
        "completed_by": user,
        "ground_truth": False,
        "was_cancelled": False,
        "lead_time": given.seconds,
        "result": _result(given),
    }


def _answers(result: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any]]:
    return [(entry.get("from_name"), entry.get("value")) for entry in result]
