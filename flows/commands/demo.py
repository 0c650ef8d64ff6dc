"""``bounds demo``: the whole way once, on real servers, told as a story of at most two screens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from governance.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from annotation.release import AlignmentTarget
    from flows.commands.demo_people import Spoken
    from flows.wiring import Platform
    from governance.policy.model import EffectivePolicy

__all__ = ["demo"]

_MARKER = "demo.json"
_SITE = "main"
_SEED = 7


@dataclass(slots=True)
class _Clock:
    """Seconds of each step, for people and for the benchmark."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        begun = time.monotonic()
        with self.console.status(f"{what} …"):
            yield
        self.seconds[name] = round(time.monotonic() - begun, 1)


def demo(
    home: Annotated[Path | None, typer.Option(help="Data folder of the demonstration; made afresh.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="PandaLM's test set: real pairs, the real votes replayed.")
    ] = None,
    most: Annotated[int | None, typer.Option(help="With --data: at most so many items.", min=20)] = None,
    store: Annotated[Literal["directory", "s3"], typer.Option(help="Where objects lie.")] = "directory",
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """The whole way once, on the embedded stack, with simulated people."""
    from rich.console import Console

    if data is not None and not data.is_file():
        raise InputError("no such file", file=str(data), field="--data", expected="PandaLM's testset-v1.json")
    if data is not None:
        _require_pairs(data)
    console = Console(stderr=as_json, highlight=False, soft_wrap=False)
    folder = (home or Path(".bounds/demo")).resolve()
    _make_afresh(folder)
    if data is None:
        from flows.commands.demo_people import settle

        settle(folder, _SITE)
    timer = _Clock(console)
    begun = time.monotonic()
    try:
        with timer.step("stack", "starting Label Studio, MLflow, Prefect and its workers"):
            _bounds("up", "--detach", "--store", store, "--home", str(folder))
        story = _walk(folder, data, most, timer, console)
    finally:
        if not keep:
            if "prefect" in sys.modules:
                from flows.running import say_everything

                say_everything()
            _bounds("down", "--home", str(folder))
    timer.seconds["whole"] = round(time.monotonic() - begun, 1)
    story["seconds"] = timer.seconds
    if as_json:
        sys.stdout.write(json.dumps(story, sort_keys=True) + "\n")
    else:
        _where(console, story, folder, timer, keep=keep)
    if not story["as_expected"]:
        raise typer.Exit(1)


def _require_pairs(data: Path) -> None:
    """Refuse a file that is none of PandaLM's before servers are started for it."""
    from annotation.importers.pandalm import read_pandalm
    from infra.given_files import read_bytes

    if not read_pandalm(read_bytes(data), name=data.name).items:
        raise InputError(
            "holds no pair", file=str(data), field="--data", expected="PandaLM's testset-v1.json"
        )


def _make_afresh(folder: Path) -> None:
    from infra.stack.record import is_running

    if folder.exists() and not folder.is_dir():
        raise InputError("is no folder", file=str(folder), field="--home", expected="a new folder")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER).is_file():
            raise InputError(
                "the folder holds something else than a demonstration",
                file=str(folder),
                field="--home",
                expected="a new folder",
            )
        if is_running(folder):
            raise InputError(
                "a demonstration is running here",
                file=str(folder),
                expected=f"`bounds down --home {folder}` first",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    (folder / _MARKER).write_text("{}\n", encoding="utf-8")
    # The story audits each version itself, in view; a webhook would audit each once more beside it.
    (folder / "settings.toml").write_text("[mlflow]\nwebhook = false\n", encoding="utf-8")


def _bounds(*words: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        from governance.errors import OutsideError

        raise OutsideError(f"bounds {words[0]}: {run.stderr.strip()[-2000:]}")


def _walk(
    folder: Path, data: Path | None, most: int | None, timer: _Clock, console: Console
) -> dict[str, Any]:
    """Every step, told as it happens."""
    from flows.running import use_prefect
    from infra.settings import load_settings

    use_prefect(load_settings(folder))
    from annotation.release import AlignmentTarget
    from flows import demonstration_audit
    from flows.audit import audit
    from flows.collect import collect
    from flows.commands import demo_people, demo_release
    from flows.promote import promote
    from flows.release import release
    from flows.train import train
    from flows.validate import validate
    from flows.wiring import open_platform

    home = str(folder)
    with open_platform(folder) as platform:
        wishes = _show_policy(console, platform)
        spoken = None
        if data is None:
            with timer.step("people", "enrolling simulated people at the portal, who judge by quota"):
                spoken = demo_people.speak(platform, _SITE, seed=_SEED)
        with timer.step("collect", "collecting"):
            items, given, planted = _hear(platform, data, most, spoken)
            collected = collect(_SITE, home=home)
        _show_collected(console, items, given, collected, spoken)
        with timer.step("validate", "validating"):
            [batch] = validate(_SITE, home=home)
        _show_batch(console, batch, planted)
        with timer.step("release", "building the release"):
            target = AlignmentTarget(
                better="more helpful to the person who asked, inside the law",
                asked="Which answer is better?",
                for_whom="PandaLM's three annotators"
                if data is not None
                else "the simulated people of this demonstration",
            )
            released = release(
                target.better,
                target.asked,
                target.for_whom,
                for_study=data is not None,
                answers=demo_release.ANSWERS if data is None else None,
                home=home,
            )
        demo_release.show_release(
            console, released, target, demo_release.keep_card(platform, released, folder)
        )
        kinds = demonstration_audit.CANDIDATES if data is None else ("unbounded", "bounded")
        with timer.step("train", f"training {len(kinds)} candidates"):
            trained = train(kinds, home=home)
        verdicts = {}
        with timer.step("audit", "auditing each"):
            for kind, version in trained["versions"].items():
                verdicts[kind] = audit(trained["model"], version, home=home)
        _show_audits(console, verdicts)
        outcomes = {}
        with timer.step("promote", "asking for the alias"):
            for kind, version in trained["versions"].items():
                outcomes[kind] = promote(version, model=trained["model"], home=home)
        _show_outcomes(console, outcomes)
        guarded = _guard(console, timer, platform, outcomes)
        left = _leave(console, timer, platform, spoken, released, target)
        settings = platform.settings
    promoted = [kind for kind, outcome in outcomes.items() if outcome["promoted"]]
    return {
        "as_expected": promoted == (["bounded"] if data is None else [])
        and guarded["as_expected"]
        and left["as_expected"],
        "addresses": {
            "start page": settings.web_url,
            "Prefect (the flow runs)": str(settings.prefect_api_url).removesuffix("/api"),
            "MLflow (releases, audits, the model)": settings.mlflow_url,
            "Label Studio (the judgements)": settings.site(_SITE).label_studio_url,
        },
        "wishes": wishes,
        "items": items,
        "judgements": given,
        "events": collected["events"],
        "batch": batch,
        "release": released["release"],
        "figures": released["figures"],
        "versions": trained["versions"],
        "verdicts": {kind: found["verdict"] for kind, found in verdicts.items()},
        "reasons": {kind: found["reasons"] for kind, found in verdicts.items()},
        "promotions": outcomes,
        "people": None if spoken is None else asdict(spoken),
        "withdrawal": left["withdrawal"],
        "gate": guarded,
        "record": left["record"],
    }


def _guard(
    console: Console, timer: _Clock, platform: Platform, outcomes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What holds after the promotion: the gate, and the sweep under a tighter policy."""
    from flows import demonstration_gate
    from flows.commands import demo_gate

    home = platform.settings.home
    refused = demo_gate.refused_by_hand(console, platform, outcomes)
    swept: list[Any] = []
    back = None
    for kind, outcome in outcomes.items():
        if outcome["promoted"]:
            with timer.step("tighten", "putting the next policy in force, and taking it back"):
                swept = demonstration_gate.tighten(home)
                back = demonstration_gate.take_back(home, outcome["model"], outcome["version"])
            demo_gate.show_demotion(console, swept)
            demo_gate.show_return(console, kind, back)
    return {
        "as_expected": refused
        and all(each["demoted"] for each in swept)
        and (back is None or back["promoted"]),
        "refused_by_hand": refused,
        "swept": swept,
        "back": back,
    }


def _leave(
    console: Console,
    timer: _Clock,
    platform: Platform,
    spoken: Spoken | None,
    released: Mapping[str, Any],
    target: AlignmentTarget,
) -> dict[str, Any]:
    """What remains: one person leaves, and an outsider verifies the record of it all."""
    from flows.commands import demo_gate, demo_people
    from flows.demonstration_gate import record_outside

    withdrawn = None
    if spoken is not None:
        with timer.step("withdraw", "withdrawing one person, and releasing without them"):
            withdrawn = demo_people.leave(platform, _SITE, released, target)
        demo_people.show_withdrawal(console, withdrawn)
    with timer.step("verify", "exporting the record and verifying it"):
        checked = record_outside(platform, platform.settings.home / "record")
    demo_gate.show_record(console, checked)
    return {
        "as_expected": (withdrawn is None or withdrawn["gone"]) and not checked.faults,
        "withdrawal": withdrawn,
        "record": asdict(checked),
    }


def _hear(
    platform: Platform, data: Path | None, most: int | None, spoken: Spoken | None
) -> tuple[int, int, Sequence[Any]]:
    """Let the panel answer in Label Studio; how many items there are, how many judgements, which faults."""
    from flows import demonstration, demonstration_people
    from flows.collect import collect

    if data is None:
        collect(_SITE, home=str(platform.settings.home))
        outside = [demonstration_people.FROM_OUTSIDE]
        given = demonstration.answer_demo(platform, _SITE, seed=_SEED, without=outside)
        planted = demonstration.plant_faults(platform, _SITE)
        assert spoken is not None  # noqa: S101 - without a file there are people
        return spoken.items, spoken.judgements + given, planted
    imported = demonstration.stage_recorded(platform, _SITE, data, most=most)
    return len(imported.items), demonstration.replay_recorded(platform, _SITE, imported), ()


def _show_policy(console: Console, platform: Platform) -> dict[str, Any]:
    from flows.wiring import clock
    from governance.policy.resolve import resolve
    from infra.policy_files import load_pack

    policy = platform.policy(clock())
    [profile] = load_pack("demo-profile")
    answer = resolve(policy, profile)
    console.print(
        "\n[b]1  Policy[/b]  what may be said at all, what the organisation adds, what a person may wish"
    )
    for document in policy.documents:
        console.print(
            f"   Tier {int(document.tier)}  {document.id}@{document.version}  [dim]{document.owner}[/dim]"
        )
    changed = {each.dimension: each for each in (*answer.denied, *answer.clipped)}
    for wish, value in sorted(profile.wishes.items()):  # type: ignore[attr-defined]
        if wish not in changed:
            console.print(f"   [green]honoured[/green]  {wish} = {json.dumps(value)}")
    for each in answer.clipped:
        console.print(
            f"   [yellow]clipped[/yellow]   {each.dimension} = {each.wish} to {each.value}: {each.rule}, Tier {each.tier}, {each.owner}"
        )
    for each in answer.denied:
        console.print(
            f"   [red]denied[/red]    {each.dimension} = {each.wish}: {each.rule}, Tier {each.tier}, {each.owner}"
        )
    changes = _next_version(policy, clock())
    console.print(
        f"   the next version ({len(changes)} tightened, 0 loosened) would leave less: [dim]{changes[0]}[/dim]"
    )
    return {
        "settings": dict(answer.settings),
        "next_version_tightens": changes,
        "clipped": [each.dimension for each in answer.clipped],
        "denied": [each.dimension for each in answer.denied],
    }


def _next_version(policy: EffectivePolicy, at: datetime) -> list[str]:
    """What the next version of the provider's document tightens; it loosens nothing, or the story would say so."""
    from governance.errors import RefusedError
    from governance.policy.compose import compose
    from governance.policy.diff import diff
    from infra.policy_files import load_pack

    found = diff(policy, compose(load_pack("demo-next"), at=at))
    if found.loosened or not found.tightened:
        raise RefusedError("the next version of the policy", ["it loosens something, or tightens nothing"])
    return [f"{change.what} {change.id}: {change.detail}" for change in found.tightened]


def _show_collected(
    console: Console, items: int, given: int, collected: Mapping[str, Any], spoken: Spoken | None
) -> None:
    said = (
        f"by {spoken.people} [b]simulated[/b] people"
        if spoken is not None
        else "replayed from the file; of the people nothing is known"
    )
    where = "through Label Studio and the portal" if spoken is not None else "through Label Studio"
    console.print(f"\n[b]2  Collect[/b]  {items} items, {given} judgements {said}, {where}")
    if spoken is not None:
        from flows.commands.demo_people import show_people

        show_people(console, spoken)
    console.print(f"   raw events  [dim]{collected['events']}[/dim]")


def _show_batch(console: Console, batch: Mapping[str, Any], planted: Sequence[Any]) -> None:
    colour = "green" if batch["verdict"] == "PASSED" else "red"
    console.print(
        f"\n[b]3  Validate[/b]  [{colour}]{batch['verdict']}[/{colour}]  {batch['read']} read = {batch['accepted']} accepted "
        f"+ {batch['quarantined']} quarantined  [dim](Great Expectations and a second pass agree on every count)[/dim]"
    )
    by_rule = {each.rule: each.name for each in planted}
    for rule, count in batch["failed_rules"].items():
        note = f"  [dim]planted: {by_rule[rule]}[/dim]" if rule in by_rule else ""
        console.print(f"   quarantined by {rule}: {count}{note}")
    for reason in batch["stops"]:
        console.print(f"   [red]{reason}[/red]")


def _show_audits(console: Console, verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    from flows.demonstration_audit import table_of_refusals

    console.print(
        "\n[b]5  Audit[/b]  each as it is, under the profile above, and against six age groups of a simulated panel"
    )
    console.print(table_of_refusals(verdicts))
    console.print("   [dim]evidence of grade S: labels and people are simulated[/dim]\n")


def _show_outcomes(console: Console, outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    from flows.commands.demo_gate import quote_foremost

    console.print("[b]6  Promote[/b]  the alias moves only with a signed decision that passes")
    for kind, outcome in outcomes.items():
        word = "[green]promoted[/green]" if outcome["promoted"] else "[red]refused[/red]"
        console.print(f"   {kind} as champion: {word}")
        quote_foremost(console, outcome["reasons"])


def _where(console: Console, story: Mapping[str, Any], folder: Path, timer: _Clock, *, keep: bool) -> None:
    spent = "  ".join(f"{name} {seconds:g}" for name, seconds in timer.seconds.items())
    console.print(f"\n[dim]seconds: {spent}[/dim]")
    command = Path(sys.prefix) / "bin" / "bounds"
    if keep:
        for name, address in story["addresses"].items():
            console.print(f"   {name}: {address}")
        console.print(f"   login of Label Studio: in {folder / 'secrets.json'}")
        console.print(f"The stack runs on; stop it with `{command} down --home {folder}`.")
    else:
        console.print(f"The stack is stopped; `{command} up --home {folder}` shows it again.")
