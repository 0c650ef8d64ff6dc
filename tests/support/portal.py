"""People and items of a portal for the tests: small, all made up, all marked as simulated."""

import hashlib
import re
import threading
from datetime import timedelta
from urllib.parse import urlencode

from annotation.records import make_item
from annotation.web.guards import csrf_token
from infra import catalogue
from infra.consents import decide, record_version
from infra.database import Database
from infra.enrolment import enrol, invite
from infra.person_keys import PersonKeys, open_person_keys
from infra.portal_judgements import show, submit
from infra.reservations import PlainAssigner, add_portal_items
from infra.settings import Settings, SiteSettings
from infra.web.app import create_app
from infra.web.portal import make_portal
from tests.support.asgi import Client
from tests.support.platform import NOW, import_record

TEXT = {"id": "test", "version": "1.0.0", "purposes": ["collection", "training"]}


def items(db, count=3, *, candidates=2, kind="pairwise", site="main", prefix="q", topic=None, words=""):
    rows = [
        make_item(
            prompt=[{"role": "user", "content": f"Question {prefix}{number} {words}".strip()}],
            candidates=[
                (f"model-{each}", f"answer {each} to {prefix}{number} {words}".strip())
                for each in range(candidates)
            ],
            language="en",
            topic=topic,
            origin="test",
            licence="CC0-1.0",
            source_ref=f"{prefix}{number}",
            simulated=True,
        )
        for number in range(count)
    ]
    catalogue.add_items(
        db,
        rows,
        import_record(
            file_digest="sha256:" + hashlib.sha256(prefix.encode()).hexdigest(), read=1, imported=1, refused=0
        ),
    )
    add_portal_items(db, site, [row["item"] for row in rows], kind=kind)
    return rows


def person(db, name="a-0001", *, site="main", consents=True, now=NOW):
    who = enrol(db, site, name, locale="en", simulated=True, now=now)
    if consents:
        version = record_version(db, TEXT, now=now)
        decide(db, site, name, version, {"collection": True, "training": True}, now=now)
    return who


def assigner(db, *, overlap=2, site="main", hold=timedelta(minutes=30)):
    return PlainAssigner(
        db, SiteSettings(id=site, portal_overlap=overlap), policy=lambda _: "sha256:" + "5" * 64, hold=hold
    )


def keys_at(home):
    """The keys of the site that :class:`Site` makes."""
    return PersonKeys(home / "person-keys" / "main", b"secret of the site")


def keys(folder):
    return PersonKeys(folder / "person-keys", b"secret of the site")


def judge(db, keys, who, presentation, *, answer=None, now=NOW + timedelta(minutes=5), seconds=4.0):
    show(db, who, presentation, now=NOW)
    return submit(db, keys, who, presentation, answer or {"choice": "first_better"}, seconds=seconds, now=now)


def together(act, count):
    """Run ``act(0..count-1)`` at the same time; what they raised."""
    barrier, raised = threading.Barrier(count), []

    def run(number):
        barrier.wait()
        try:
            act(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


class Clock:
    """A clock that a test moves."""

    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


class Site:
    """A portal with items, its app, its people; without a server."""

    def __init__(
        self,
        folder,
        *,
        db=None,
        overlap=3,
        clock=None,
        languages=None,
        per_minute=100_000,
        sites=None,
        live=None,
    ):
        self.settings = Settings(
            home=folder,
            sites=sites or (SiteSettings(id="main", key="secret of the site", portal_overlap=overlap),),
            live=live or {},
        )
        self.clock = clock or Clock()
        self.db = db or Database(f"sqlite:///{folder / 'platform.db'}", now=NOW)
        self.keys = open_person_keys(self.settings, self.settings.sites[0].id)
        self.app = create_app(
            self.settings,
            counts=dict,
            portal=lambda policies: make_portal(
                self.settings,
                self.db,
                policies,
                clock=self.clock,
                languages=languages,
                per_minute=per_minute,
            ),
        )
        self.portal = self.app.state.portal

    def invite(self, name="a-0001", *, site="main"):
        """A personal link's path for a new person who has done nothing yet."""
        who = enrol(self.db, site, name, locale="en", simulated=True, now=self.clock())
        return "/join/" + invite(self.db, who, life=timedelta(days=30), now=self.clock())

    def ready(self, name="a-0001", *, site="main", conversation=False):
        """A person who has consented, answered and practised; the secret of their session."""
        link = self.invite(name, site=site)
        store = self.portal.store
        secret = store.open_session(link.removeprefix("/join/"), "en", self.clock())
        who = store.session(secret, self.clock())
        store.decide(
            who,
            {
                "collection": True,
                "training": True,
                "publication": True,
                "conversation": conversation,
                "recontact": False,
            },
            self.clock(),
        )
        declined = [(q.id, "prefer_not_to_say", None, None) for q in self.portal.codebook.fields]
        store.give_answers(who, declined, self.clock())
        store.note_practised(who, self.clock())
        return secret


class Browser:
    """Somebody at the portal without a browser: follows redirects, keeps the cookie, sends the forms it is shown."""

    def __init__(self, app, *, secret=None):
        self.client = Client(app)
        self.cookies = {"bounds-portal": secret} if secret else {}
        self.page = None

    def request(self, method, path, **options):
        headers = dict(options.pop("headers", {}))
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.client.request(method, path, headers=headers, **options)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        self.page = answer
        return answer

    def get(self, path, **options):
        answer = self.request("GET", path, **options)
        while answer.status_code == 303:
            answer = self.request("GET", answer.headers["location"])
        return answer

    def post(self, path, fields, *, csrf=True, follow=True, headers=None):
        if csrf:
            fields = {"csrf": self.csrf, **fields}
        headers = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        body = urlencode(fields, doseq=True)
        answer = self.request("POST", path, content=body, headers=headers)
        while follow and answer.status_code == 303:
            answer = self.request("GET", answer.headers["location"])
        return answer

    @property
    def csrf(self):
        return csrf_token(self.cookies.get("bounds-portal", ""))

    @property
    def presentation(self):
        return re.search(r"/portal/work/(p-[0-9a-f]+)", self.page.text)[1]
