"""The embedded MLflow with its gate: what the sweep decides it lets happen, and nothing else, in its own page too."""

import re
import shutil

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from flows.demotion import sweep_alias
from flows.wiring import clock, open_platform
from infra.policy_files import POLICIES
from infra.stack import Stack
from tests.flows.test_demotion import Auditor, moves, tighten
from tests.support.browser import CHROMIUM, QUIET

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A data folder whose own MLflow runs behind the gate, with a policy that a test may change."""
    folder = tmp_path_factory.mktemp("gated")
    shutil.copytree(POLICIES / "demo", folder / "policy")
    (folder / "policy/profile.yaml").unlink()
    home = folder / "home"
    home.mkdir()
    (home / "settings.toml").write_text(f'policy = "{folder / "policy"}"\n')
    with Stack(home, parts=("mlflow",), ports={"mlflow": 0}), open_platform(home) as platform:
        platform.registry()  # MLflow's own functions ask this server, whatever an earlier test told them
        yield platform


@pytest.fixture
def client(gated):
    return mlflow.MlflowClient(tracking_uri=gated.settings.mlflow_url, registry_uri=gated.settings.mlflow_url)


@pytest.fixture
def policy(gated):
    """The first wording of the policy, again for each test."""
    shutil.copy(POLICIES / "demo/provider.yaml", gated.settings.policy)


def register(client, name):
    """A model with three versions."""
    mlflow.set_tracking_uri(client.tracking_uri)
    client.create_registered_model(name)
    for number in range(3):
        with mlflow.start_run() as run:
            mlflow.log_text(f"weights {number}", "model/weights.txt")
        client.create_model_version(name, source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)


def carry(platform, client, auditor, model, *versions):
    """Each version is audited and set as champion in MLflow itself, by nobody's leave but the gate's."""
    for version in versions:
        auditor(platform, model, version)
        platform.publish(clock())
        client.set_registered_model_alias(model, "champion", version)
        sweep_alias(platform, platform.registry(), model, "champion", audit=auditor)


@pytest.mark.parametrize(
    ("second_look", "successor"),
    [
        pytest.param({"3": "FAIL", "2": "UNDECIDED"}, "1", id="the last that passes"),
        pytest.param({"3": "FAIL", "2": "FAIL", "1": "FAIL"}, None, id="nobody passes"),
    ],
)
def test_a_tightened_policy_takes_the_alias_through_the_gate(gated, client, policy, second_look, successor):
    model = "to-the-last" if successor else "to-nobody"
    register(client, model)
    auditor = Auditor({"1": "PASS", "2": "PASS", "3": "PASS"})
    carry(gated, client, auditor, model, "1", "2", "3")
    with pytest.raises(MlflowException, match="refused"):
        client.delete_registered_model_alias(model, "champion")  # what still passes is not taken off by hand
    tighten(gated)
    auditor.verdicts |= second_look
    swept = sweep_alias(gated, gated.registry(), model, "champion", audit=auditor)
    assert (swept.version, swept.verdict, swept.demoted, swept.successor) == ("3", "FAIL", True, successor)
    held = client.get_registered_model(model).aliases
    assert held == ({"champion": successor} if successor else {})
    assert ("3", "demoted") in moves(gated)
    # Nobody brings it back by hand, and the gate says why.
    with pytest.raises(MlflowException, match="the verdict is FAIL"):
        client.set_registered_model_alias(model, "champion", "3")
    again = sweep_alias(gated, gated.registry(), model, "champion", audit=auditor)
    assert again is None if successor is None else (again.version, again.due) == (successor, ())


def test_one_that_passes_under_the_new_policy_keeps_the_alias_and_is_guarded_by_it(gated, client, policy):
    model = "still-passes"
    register(client, model)
    auditor = Auditor({"1": "PASS", "2": "FAIL"})
    carry(gated, client, auditor, model, "1")
    tighten(gated)
    swept = sweep_alias(gated, gated.registry(), model, "champion", audit=auditor)
    assert swept.due
    assert (swept.verdict, swept.demoted) == ("PASS", False)
    assert client.get_registered_model(model).aliases == {"champion": "1"}
    auditor(gated, model, "2")
    with pytest.raises(MlflowException, match="refused"):
        client.set_registered_model_alias(model, "champion", "2")


def set_in_dialog(page, address, model, version):
    """Give the alias as a reviewer does: the version's page, "Add" beside the aliases, the name, "Save"."""
    page.goto(f"{address}/#/models/{model}/versions/{version}")
    page.get_by_role("button", name="Add", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").click()
    page.keyboard.type("champion")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Save aliases").click()
    return dialog


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_a_reviewer_is_refused_in_mlflows_own_dialog_and_then_allowed(gated, client, policy):
    api = pytest.importorskip("playwright.sync_api")
    model, address = "reviewed", gated.settings.mlflow_url
    register(client, model)
    auditor = Auditor({"1": "PASS", "2": "FAIL"})
    for version in auditor.verdicts:
        auditor(gated, model, version)
    gated.publish(clock())
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        dialog = set_in_dialog(page, address, model, "2")
        api.expect(dialog).to_contain_text("version 2 is refused", timeout=60_000)
        api.expect(dialog).to_contain_text("the verdict is FAIL")
        assert client.get_registered_model(model).aliases == {}
        dialog = set_in_dialog(page, address, model, "1")
        api.expect(dialog).to_be_hidden(timeout=60_000)
        api.expect(page.get_by_text(re.compile("champion")).first).to_be_visible()
        assert client.get_registered_model(model).aliases == {"champion": "1"}
        browser.close()
