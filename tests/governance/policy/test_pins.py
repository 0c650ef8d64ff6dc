"""Pins are rewritten in the text, and nothing else is."""

from __future__ import annotations

import pytest

from governance.errors import PolicyError
from governance.policy.document import document_digest
from governance.policy.pins import repin
from infra.policy_files import POLICIES, load, pin

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
DIGESTS = {"law": [NEW], "twice": [OLD, NEW]}


@pytest.mark.parametrize(
    "entry",
    [
        "extends: [{id: law, digest: %s}]  # why\n",
        "extends:\r\n  - {digest: '%s', id: law}\r\nx: ä\r\n",
        'extends:\n  - id: law\n    "digest":   "%s" # why\n',
        "extends: [{id: law, digest: %s}, {id: law, digest: %s}]",
    ],
)
def test_only_the_digest_changes(entry):
    text, changed = repin(entry.replace("%s", OLD), name="p", digests=DIGESTS)
    assert text == entry.replace("%s", NEW)
    assert {(found.id, found.old, found.new) for found in changed} == {("law", OLD, NEW)}
    assert repin(text, name="p", digests=DIGESTS) == (text, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: [{id: gone, digest: x}]", "p:1:12: extends[0].id: no document of the stack has this id"),
        ("extends: [{id: twice, digest: x}]", "p:1:12: extends[0].id: several documents"),
        ("extends: [law]", f"extends[0]: no digest to replace (expected {{id: law, digest: {NEW}}})"),
        ("extends:\n- id: law\n  digest:\n    x", "p:3:3: extends[0].digest: the digest does not stand"),
    ],
)
def test_what_cannot_be_pinned_is_said_where_it_stands(text, said):
    with pytest.raises(PolicyError) as caught:
        repin(text, name="p", digests=DIGESTS)
    assert said in str(caught.value)


def test_a_file_is_pinned_to_a_folder_it_lies_in(tmp_path):
    law = (POLICIES / "tier1" / "baseline.yaml").read_text("utf-8")
    (tmp_path / "law.yaml").write_text(law.replace("version: 1.0.0", "version: 1.0.1"), "utf-8")
    mine = tmp_path / "mine.yaml"
    before = (POLICIES / "tier2" / "model-provider.yaml").read_text("utf-8")
    mine.write_text(before, "utf-8")
    (changed,) = pin(mine, [tmp_path])
    assert changed.new == document_digest(load(tmp_path / "law.yaml"))
    assert mine.read_text("utf-8") == before.replace(changed.old, changed.new)
    assert pin(mine, [tmp_path]) == ()
