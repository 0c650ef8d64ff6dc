"""Which older policies are outdated: what they ruled has changed, or nobody knows what they ruled."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.wiring import Platform, open_platform
from governance.digest import digest
from governance.policy.model import EffectivePolicy
from infra import policy_files
from infra.policy_history import outdated

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def in_force(home: Path, pack: str | Path) -> tuple[EffectivePolicy, Platform]:
    (home / "settings.toml").write_text(f'policy = "{pack}"\n')
    with open_platform(home) as platform:
        return platform.policy(NOW), platform


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_changed_ruling_outdates_and_a_changed_threshold_does_not(home: Path, tmp_path: Path) -> None:
    first, _ = in_force(home, "demo")
    later, _ = in_force(home, "demo-next")
    pack = tmp_path / "laxer"
    shipped = Path(policy_files.__file__).parents[1] / "governance" / "policies"
    shutil.copytree(shipped / "demo", pack)
    text = (shipped / "demo-next" / "provider.yaml").read_text()
    assert "at_least: 0.8" in text
    (pack / "provider.yaml").write_text(
        re.sub(
            r"(?m)^version: .*$",
            "version: 99.0.0",
            text.replace("at_least: 0.8", "at_least: 0.7", 1),
            count=1,
        )
    )
    laxer, _ = in_force(home, pack)
    assert len({first.digest, later.digest, laxer.digest}) == 3
    with open_platform(home) as platform:
        found = outdated(platform.db, [first.digest, later.digest, laxer.digest, digest("unheard of")], laxer)
    assert found.pop(digest("unheard of")) == "this version of the policy is not on record"
    assert list(found) == [first.digest], found
    assert "changed since: dimension " in found[first.digest]
