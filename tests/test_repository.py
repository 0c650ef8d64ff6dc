"""What must hold for the repository as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOSTS = re.compile(
    r"https?://[^\s\"')]*(pypi|pythonhosted|npmjs|debian\.org|artifactory|nexus)", re.IGNORECASE
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize("lock", ["requirements.lock", "infra/label-studio.lock"])
def test_every_locked_package_has_a_hash_and_no_lock_names_a_host(lock):
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[a-z0-9][\w.-]*==)", text)
    assert len(entries) > 50
    assert not [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert "://" not in text


def test_no_file_names_a_package_registry():
    named = []
    for path in tracked():
        if path.is_file() and path != Path(__file__) and path.stat().st_size < 2_000_000:
            text = path.read_text(encoding="utf-8", errors="ignore")
            named += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in HOSTS.finditer(text)]
    assert named == []


def test_only_its_own_modules_import_great_expectations_and_only_flows_imports_prefect():
    found = {"great_expectations": set(), "prefect": set()}
    for package in ("governance", "annotation", "infra", "flows"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for name, places in found.items():
                if re.search(rf"^\s*(from|import) {name}\b", text, re.MULTILINE):
                    places.add(str(path.relative_to(ROOT)))
    assert found["great_expectations"], "nothing imports great_expectations"
    assert all(place.startswith("infra/expectations") for place in found["great_expectations"])
    assert all(place.startswith("flows/") for place in found["prefect"])


def test_help_loads_no_heavy_package():
    script = (
        "import sys; sys.argv = ['bounds', '--help']\n"
        "from flows.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'prefect', 'mlflow', 'great_expectations', 'polars', 'pandas', 'sklearn', 'boto3'} & set(sys.modules)\n"
        "sys.stderr.write(','.join(sorted(heavy)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert "demo" in run.stdout
