"""The codebook and the consent text: complete in every language, or refused with the place."""

import copy

import pytest
import yaml

from annotation.codebook import read_codebook, read_consent_text
from annotation.labelling import KINDS, content_warning, page_digest
from annotation.web.texts import Language, Languages, shipped_languages
from governance.errors import InputError, RecordError
from infra.people_texts import load_codebook, load_consent_text, load_countries
from infra.settings import Settings

COUNTRIES = {"GBR": {}, "DEU": {}}


@pytest.fixture
def book(tmp_path):
    return load_codebook(Settings(home=tmp_path))


@pytest.fixture
def text(tmp_path):
    return load_consent_text(Settings(home=tmp_path))


def question(book, name):
    return next(each for each in book.fields if each.id == name)


def test_the_shipped_ones_are_complete_in_english_and_german(book, text):
    assert book.locales == text.locales == ("en", "de")
    assert {language.tag for language in shipped_languages()} == {"en", "de"}
    assert len(load_countries()) == 249
    assert all(set(names) == {"en", "de"} for names in load_countries().values())


def test_every_sensitive_question_says_why_it_is_asked(book):
    for name in ("age", "gender", "ethnicity", "religion", "country_of_birth", "self_description"):
        record = book.necessities[question(book, name).necessity]
        assert record.purpose["en"]
        assert record.readers["de"]
        assert record.delete_after_days > 0


def test_format_and_order_of_keys_do_not_change_the_digest(book):
    again = yaml.safe_load(yaml.safe_dump(book.document(), sort_keys=True, width=40))
    assert read_codebook(again, source="again").digest == book.digest
    changed = copy.deepcopy(book.document())
    changed["fields"][0]["question"]["en"] += "!"
    assert read_codebook(changed, source="changed").digest != book.digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["fields"][0]["question"].pop("de"), "needs en, de"),
        (lambda d: d["fields"][0]["categories"][0]["label"].pop("en"), "needs en, de"),
        (lambda d: d["fields"][0].update(necessity=None), "needs its necessity record"),
        (lambda d: d["fields"][0].update(necessity="because"), "no necessity record"),
        (lambda d: d["fields"][0].update(section="nowhere"), "no section"),
        (lambda d: d["fields"].append(d["fields"][0]), "stands twice"),
        (lambda d: d["fields"][0]["categories"].append(d["fields"][0]["categories"][0]), "stands twice"),
        (lambda d: d["fields"][0].update(categories=[]), "needs categories"),
        (lambda d: d["fields"][0].update(range=[0, 1]), "has no range"),
        (lambda d: d["fields"][0].update(colour="red"), r"fields\[0\]\.colour: unknown field"),
        (lambda d: d.update(format="bounds.codebook/2"), "bounds.codebook/1"),
        (lambda d: d.update(version="1"), "version: not of the right form"),
    ],
)
def test_what_is_not_whole_is_refused(book, change, says):
    document = copy.deepcopy(book.document())
    change(document)
    with pytest.raises(InputError, match=says):
        read_codebook(document, source="codebook.yaml")


@pytest.mark.parametrize("garbage", [None, [], "text", {}])
def test_garbage_is_refused(garbage):
    for read in (read_codebook, read_consent_text):
        with pytest.raises(InputError):
            read(garbage, source="x.yaml")


def test_a_consent_text_needs_a_required_purpose_and_every_language(text):
    document = copy.deepcopy(text.document())
    document["purposes"][0]["required"] = False
    with pytest.raises(InputError, match="required"):
        read_consent_text(document, source="consent.yaml")
    document = copy.deepcopy(text.document())
    del document["paragraphs"][0]["de"]
    with pytest.raises(InputError, match="needs en, de"):
        read_consent_text(document, source="consent.yaml")


@pytest.mark.parametrize(
    ("name", "values", "kept"),
    [
        ("age", ["18-24"], ("18-24", None)),
        ("languages", ["en", "de", "en"], ("de en", None)),
        ("country_of_birth", ["GBR"], ("GBR", None)),
        ("prefers_safety", ["007"], ("7", None)),
        ("self_description", [" my words "], ("given", "my words")),
    ],
)
def test_an_answer_is_kept_in_its_form(book, name, values, kept):
    assert question(book, name).check("answered", values, "", COUNTRIES) == kept


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", []),
        ("age", ["prefer"]),
        ("age", ["18-24", "25-34"]),
        ("languages", ["xx"]),
        ("country_of_birth", ["USA"]),
        ("prefers_safety", ["101"]),
        ("prefers_safety", ["1.5"]),
        ("prefers_safety", ["٣"]),
        ("self_description", ["x" * 2001]),
    ],
)
def test_what_is_no_answer_is_refused(book, name, values):
    with pytest.raises(RecordError):
        question(book, name).check("answered", values, "", COUNTRIES)


def test_a_file_of_the_data_folder_takes_the_place_of_the_shipped_one(tmp_path, text):
    settings = Settings(home=tmp_path)
    own = {**text.document(), "version": "7.0.0"}
    (tmp_path / "consent.yaml").write_text(yaml.safe_dump(own))
    assert load_consent_text(settings).version == "7.0.0"
    (tmp_path / "consent.yaml").write_text("a: [")
    with pytest.raises(InputError, match="cannot be read"):
        load_consent_text(settings)


def test_a_language_without_a_text_is_refused():
    english = shipped_languages().get("en")
    half = Language(
        tag="xx", direction="ltr", words={k: v for k, v in english.words.items() if k != "submit"}
    )
    with pytest.raises(InputError, match="submit"):
        Languages([english, half])
    assert shipped_languages().preferred("fr, de-AT;q=0.5, en;q=0.1").tag == "de"
    assert shipped_languages().preferred("nonsense;q=x,,;").tag == "en"


def test_each_kind_has_its_page_and_tier_one_topics_are_warned_of():
    assert len({page_digest(kind) for kind in KINDS}) == len(KINDS)
    assert content_warning({"topic": "tier-one:child-safety"}) == "child safety"
    assert content_warning({"topic": "cooking"}) is None
    assert content_warning({"topic": None}) is None
