"""A real Label Studio for tests, sites on it that do not see each other, and what collection would know."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from annotation.events import EventKind
from annotation.label_config import config_digest, pairwise_config
from annotation.presentations import make_presentations
from annotation.records import make_item
from infra.label_studio import LabelStudioSite
from infra.label_studio_pull import LabelStudioSource
from infra.label_studio_tasks import import_presentations
from infra.settings import SiteSettings
from infra.simulated_panel import PanelAnswer, SimulatedPanel, enrolled

CONFIG = pairwise_config()
_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def annotation_server(tmp_path_factory):
    """A stack with Label Studio alone."""
    from infra.stack import Stack

    with Stack(
        tmp_path_factory.mktemp("label-studio"), parts=("label_studio",), ports={"label_studio": 0}
    ) as stack:
        yield stack


def settings_of(stack, site):
    main = stack.settings.sites[0]
    return SiteSettings(
        id=site,
        label_studio_url=main.label_studio_url,
        label_studio_token=main.label_studio_token,
        key=SecretStr("a key for tests"),
    )


@pytest.fixture
def site(annotation_server):
    """A site of its own for each test."""
    with LabelStudioSite(settings_of(annotation_server, f"site-{next(_NUMBERS)}"), patience=45) as opened:
        yield opened


class Known:
    """KnownEvents over a list of what was stored."""

    def __init__(self):
        self.events = []

    def versions(self):
        newest = {}
        for event in self.events:
            newest[event.ref] = event
        return {
            ref: (event.revision, event.version)
            for ref, event in newest.items()
            if event.kind is EventKind.STATED
        }

    def next_revision(self, ref):
        return max((event.revision for event in self.events if event.ref == ref), default=0) + 1


class Collection:
    """A project with presentations, and a reader that stores what it reads."""

    def __init__(self, site, items=20, *, overlap=1, title="pairs", imported=True):
        self.site = site
        self.items = {row["item"]: row for row in make_items(items, tag=site.id)}
        rows = make_presentations(
            self.items.values(),
            site=site.id,
            overlap=overlap,
            seed=1,
            config_digest=config_digest(CONFIG),
            policy_digest=None,
            consent=None,
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.rows = rows
        self.presentations = {row["presentation"]: row for row in rows}
        self.project = site.ensure_project(title, CONFIG)
        self.people = [f"sim-{number:02d}" for number in range(max(3, overlap))]
        self.panel = SimulatedPanel(site, self.people)
        self.tasks = import_presentations(site, self.project, rows, self.items) if imported else {}
        self.known = Known()
        self.cursor = None

    def source(self, **over):
        return LabelStudioSource(
            self.site,
            presentations=self.presentations,
            items=self.items,
            **{"annotators": enrolled(self.site), **over},
        )

    def annotate(self, rows=None, label="first_better"):
        return self.panel.annotate(
            self.project,
            self.rows if rows is None else rows,
            self.items,
            lambda item, row, person: PanelAnswer(label=label, rationale=f"says {person}", seconds=2.0),
        )

    def pull(self, *, pages=None, **over):
        """Read, store page by page, and return what was new; ``pages`` stops as a kill would."""
        new = []
        for number, page in enumerate(self.source(**over).pages(self.cursor, self.known)):
            if pages is not None and number >= pages:
                break
            self.known.events.extend(page.events)
            self.cursor = page.cursor
            new.extend(page.events)
        return new

    def truth(self):
        """Annotation id → label, by asking for each task alone."""
        found = {}
        for task in self.tasks.values():
            for entry in self.site.get(f"api/tasks/{task}/annotations/"):
                found[entry["id"]] = labels(entry["result"])
        return found

    def held(self):
        """Annotation id → label, as collected."""
        standing = self.known.versions()
        return {
            int(event.ref.partition("/")[2]): labels(event.raw["result"])
            for event in self.known.events
            if standing.get(event.ref, (0,))[0] == event.revision
        }


def labels(result):
    return [label for entry in result for label in entry["value"].get("choices", [])]


def make_items(count, *, tag=""):
    return [
        make_item(
            prompt=[{"role": "user", "content": f"question {number} {tag}"}],
            candidates=[("hidden-model-one", f"one {number}"), ("hidden-model-two", f"two {number}")],
            language="en",
            topic=None,
            origin="tests",
            licence="CC0-1.0",
            source_ref=str(number),
            simulated=True,
        )
        for number in range(count)
    ]


def result(*chosen):
    return [
        {"from_name": "preference", "to_name": "shown", "type": "choices", "value": {"choices": [label]}}
        for label in chosen
    ]


NO_OVERLAP = timedelta(0)
