"""The codebook and the consent text: what people are asked and what they agree to, as versioned data.

A codebook is YAML (``bounds.codebook/1``); its digest is that of its canonical content, so that formatting does
not change it. Reading refuses what would fail before a person: a text missing in one of its languages, a
sensitive question without the record of why it is needed, an id that stands twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from annotation.records import AnswerStatus
from governance.digest import digest
from governance.errors import InputError, RecordError
from governance.policy.faults import first_fault

__all__ = [
    "Category",
    "Codebook",
    "ConsentText",
    "Necessity",
    "Purpose",
    "Question",
    "read_codebook",
    "read_consent_text",
]

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,60}$")]
CategoryId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]{0,40}$")]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
Texts = dict[str, Annotated[str, Field(min_length=1)]]
LONGEST_WORDS = 500


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Category(_Shape):
    """One answer that can be chosen, with its label in each language."""

    id: CategoryId
    label: Texts

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        # In the file a category is one line: {id: white, en: White, de: Weiß}.
        if isinstance(data, Mapping) and "label" not in data:
            return {"id": data.get("id"), "label": {k: v for k, v in data.items() if k != "id"}}
        return data


class Necessity(_Shape):
    """Why a sensitive question is asked, who may read the answers, and when they are deleted."""

    purpose: Texts
    readers: Texts
    delete_after_days: Annotated[int, Field(ge=1, le=36_500)]


class Section(_Shape):
    """A group of questions."""

    id: Id
    title: Texts


class Question(_Shape):
    """One question.

    Attributes:
        type: choice (one category), choices (several), country, scale (a number), text.
        necessity: Name of the record of why it is needed, where the answer is sensitive.
        own_words: Whether the person may describe themselves in their own words beside the category.
        range: Lowest and highest value of a scale.
        longest: Characters of a text.
    """

    id: Id
    section: Id
    type: Literal["choice", "choices", "country", "scale", "text"]
    question: Texts
    help: Texts | None = None
    necessity: Id | None = None
    own_words: bool = False
    range: tuple[int, int] | None = None
    longest: Annotated[int, Field(ge=1, le=20_000)] | None = None
    categories: tuple[Category, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wants = {"choice": "categories", "choices": "categories", "scale": "range", "text": "longest"}
        wanted = wants.get(self.type)
        for name in ("categories", "range", "longest"):
            if bool(getattr(self, name)) != (name == wanted):
                raise ValueError(f"{self.id}: a {self.type} {'needs' if name == wanted else 'has no'} {name}")
        ids = [category.id for category in self.categories]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.id}: a category id stands twice")
        return self

    def check(
        self, status: str, values: Sequence[str], words: str | None, countries: Mapping[str, Any]
    ) -> tuple[str | None, str | None]:
        """The value and own words to keep of what a person sent.

        Raises:
            RecordError: It is none of the question's answers, or no answer at all.
        """
        own = (words or "").strip() or None
        if own is not None and (not self.own_words or len(own) > LONGEST_WORDS):
            raise RecordError("too long", field=self.id, expected=f"at most {LONGEST_WORDS} characters")
        if status == AnswerStatus.PREFER_NOT_TO_SAY:
            return None, None
        given = [value.strip() for value in values if value.strip()]
        if not given:
            raise RecordError("not answered", field=self.id, expected="an answer, or prefer not to say")
        if self.type == "choices":
            known = {category.id for category in self.categories}
            return self._known(given, known), own
        if len(given) != 1:
            raise RecordError("more than one answer", field=self.id, expected="one")
        if self.type == "choice":
            return self._known(given, {category.id for category in self.categories}), own
        if self.type == "country":
            return self._known(given, set(countries)), own
        if self.type == "scale":
            return self._number(given[0]), own
        if len(given[0]) > (self.longest or 0):
            raise RecordError("too long", field=self.id, expected=f"at most {self.longest} characters")
        # What somebody writes about themselves is their own words; that there are some is the value.
        return "given", given[0]

    def _known(self, given: Sequence[str], known: set[str]) -> str:
        for value in given:
            if value not in known:
                raise RecordError("not an answer of this question", field=self.id, value=value)
        return " ".join(sorted(set(given)))

    def _number(self, text: str) -> str:
        low, high = self.range or (0, 0)
        if not text.isascii() or not text.isdigit() or len(text) > 9 or not low <= int(text) <= high:
            raise RecordError("not on the scale", field=self.id, value=text, expected=f"{low} to {high}")
        return str(int(text))


class Codebook(_Shape):
    """The questions, in order."""

    format: Literal["bounds.codebook/1"]
    id: Id
    version: Version
    locales: Annotated[tuple[str, ...], Field(min_length=1)]
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]
    necessities: dict[Id, Necessity] = {}
    fields: Annotated[tuple[Question, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sections = {section.id for section in self.sections}
        ids = [question.id for question in self.fields]
        for id_ in ids:
            if ids.count(id_) > 1:
                raise ValueError(f"{id_}: stands twice")
        for question in self.fields:
            if question.section not in sections:
                raise ValueError(f"{question.id}: no section {question.section}")
            if question.necessity is not None and question.necessity not in self.necessities:
                raise ValueError(f"{question.id}: no necessity record {question.necessity}")
            if question.id in _SENSITIVE and question.necessity is None:
                raise ValueError(f"{question.id}: a sensitive question needs its necessity record")
        _every_language(self, self.locales)
        return self

    @property
    def name(self) -> str:
        """``id@version``, as profiles carry it."""
        return f"{self.id}@{self.version}"

    @property
    def digest(self) -> str:
        """Identity of the content."""
        return digest(self.document())

    def document(self) -> dict[str, Any]:
        """The content as JSON."""
        return self.model_dump(mode="json")


# The data of Art. 9 GDPR that this codebook knows, and what describes a person closely.
_SENSITIVE = frozenset(
    {
        "age",
        "gender",
        "ethnicity",
        "religion",
        "marital_status",
        "country_of_birth",
        "country_of_residence",
        "self_description",
        "education",
        "employment",
    }
)


class Purpose(_Shape):
    """One thing that a person agrees to, or not."""

    id: Id
    required: bool
    label: Texts
    explanation: Texts


class ConsentText(_Shape):
    """What people agree to."""

    format: Literal["bounds.consent/1"]
    id: Id
    version: Version
    locales: Annotated[tuple[str, ...], Field(min_length=1)]
    title: Texts
    paragraphs: Annotated[tuple[Texts, ...], Field(min_length=1)]
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        ids = [purpose.id for purpose in self.purposes]
        if len(set(ids)) != len(ids) or not any(purpose.required for purpose in self.purposes):
            raise ValueError("purposes need distinct ids, and one that is required")
        _every_language(self, self.locales)
        return self

    @property
    def digest(self) -> str:
        """Identity of the content."""
        return digest(self.document())

    def document(self) -> dict[str, Any]:
        """The content as JSON."""
        return self.model_dump(mode="json")


def read_codebook(data: object, *, source: str) -> Codebook:
    """The codebook of parsed YAML.

    Raises:
        InputError: It is none, or is not complete in each of its languages.
    """
    try:
        return Codebook.model_validate(data)
    except ValidationError as error:
        raise _refused(error, data, Codebook, source) from error


def read_consent_text(data: object, *, source: str) -> ConsentText:
    """The consent text of parsed YAML.

    Raises:
        InputError: It is none, or is not complete in each of its languages.
    """
    try:
        return ConsentText.model_validate(data)
    except ValidationError as error:
        raise _refused(error, data, ConsentText, source) from error


def _refused(error: ValidationError, data: object, shape: type[BaseModel], source: str) -> InputError:
    fault = first_fault(error, data, shape)
    return InputError(
        fault.message, file=source, field=fault.field, value=fault.value, expected=fault.expected
    )


def _every_language(shape: BaseModel, locales: Sequence[str]) -> None:
    for place, texts in _texts(shape.model_dump(), ""):
        if set(texts) != set(locales):
            raise ValueError(f"{place}: has {', '.join(sorted(texts))}, needs {', '.join(locales)}")


_TEXTS = frozenset({"title", "question", "help", "label", "purpose", "readers", "explanation"})


def _texts(value: Any, place: str) -> list[tuple[str, Mapping[str, str]]]:
    found: list[tuple[str, Mapping[str, str]]] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            here = f"{place}.{name}".lstrip(".")
            if name in _TEXTS and isinstance(inner, dict):
                found.append((here, inner))
            elif name == "paragraphs":
                found += [(f"{here}[{number}]", each) for number, each in enumerate(inner)]
            else:
                found += _texts(inner, here)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            found += _texts(inner, f"{place}[{number}]")
    return found
