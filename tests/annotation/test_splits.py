"""The split of a prompt is that of its canonical digest, however it is spelled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annotation.splits import prompt_digest
from governance.digest import digest

TEXT = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=30)


@given(st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=4))
def test_the_quick_digest_is_the_canonical_one(prompt: list[dict[str, str]]) -> None:
    assert prompt_digest(prompt) == digest(prompt)
