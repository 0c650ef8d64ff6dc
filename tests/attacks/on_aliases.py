"""Attacks: set, move, delete the alias, in every dress."""

from __future__ import annotations

import json
import threading

import requests

from tests.attacks.attack import ROUTE, attack, onto_bad
from tests.attacks.deployment import ALIAS, MODEL


@attack()
def set_by_rest(d):
    return d.call("POST", ROUTE, json=onto_bad(d))


@attack()
def set_by_ajax(d):
    return d.call("POST", ROUTE, json=onto_bad(d), ajax=True)


@attack()
def set_on_a_version_nobody_audited(d):
    return d.set_alias(d.versions["new"].version)


@attack()
def set_with_double_slashes(d):
    d.raw("POST", "/api/2.0//mlflow/registered-models/alias", json=onto_bad(d))
    return d.raw("POST", "//api/2.0/mlflow//registered-models/alias", json=onto_bad(d))


@attack()
def set_with_percent_encoding(d):
    return d.raw("POST", "/api/2.0/mlflow/registered%2Dmodels/%61lias", json=onto_bad(d))


@attack()
def set_with_dots_in_the_path(d):
    session = requests.Session()
    request = requests.Request(
        "POST", d.root + "/x/../api/2.0/mlflow/./registered-models/alias", json=onto_bad(d)
    )
    prepared = session.prepare_request(request)
    prepared.url = d.root + "/x/../api/2.0/mlflow/./registered-models/alias"
    return session.send(prepared, timeout=30, allow_redirects=False)


@attack()
def set_without_the_static_prefix(d):
    session = requests.Session()
    return session.post(d.url + "/api/2.0/mlflow/registered-models/alias", json=onto_bad(d), timeout=30)


@attack()
def set_with_json_in_json(d):
    return d.call(
        "POST", ROUTE, data=json.dumps(json.dumps(onto_bad(d))), headers={"Content-Type": "application/json"}
    )


@attack()
def set_as_plain_text(d):
    return d.call("POST", ROUTE, data=json.dumps(onto_bad(d)), headers={"Content-Type": "text/plain"})


@attack()
def set_as_a_form(d):
    return d.call("POST", ROUTE, data=onto_bad(d))


@attack()
def set_with_fields_given_twice(d):
    good = d.versions["good"].version
    body = f'{{"name":"{MODEL}","alias":"{ALIAS}","version":"{good}","version":"{onto_bad(d)["version"]}"}}'
    return d.call("POST", ROUTE, data=body, headers={"Content-Type": "application/json"})


@attack()
def set_with_a_version_written_otherwise(d):
    number = onto_bad(d)["version"]
    answers = [d.call("POST", ROUTE, json={**onto_bad(d), "version": odd}) for odd in (f"0{number}", f" {number}", int(number), f"{number}.0", f"+{number}")]  # fmt: skip
    return answers[-1]


@attack()
def set_in_another_case(d):
    answers = [d.set_alias(onto_bad(d)["version"], alias=odd) for odd in ("Champion", "CHAMPION", "cHampion")]
    assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
    return answers[-1]


@attack()
def set_with_method_override(d):
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        d.call("GET", ROUTE, params=onto_bad(d), headers={header: "POST"})
    return d.call("PATCH", ROUTE, json=onto_bad(d))


@attack()
def set_and_create_through_tags(d):
    key = f"mlflow.registered_model.alias.{ALIAS}"
    return d.ok(
        "POST",
        "mlflow/registered-models/set-tag",
        json={"name": MODEL, "key": key, "value": onto_bad(d)["version"]},
    )


@attack()
def delete_the_alias(d):
    return d.call("DELETE", ROUTE, json={"name": MODEL, "alias": ALIAS})


@attack()
def delete_the_alias_by_query(d):
    d.call("DELETE", ROUTE, params={"name": MODEL, "alias": ALIAS})
    return d.call("DELETE", ROUTE, params={"name": MODEL, "alias": ALIAS}, ajax=True)


@attack()
def two_setters_racing(d):
    """One may, one may not: whatever the order, the alias ends where it may."""
    good, bad, wrong = d.versions["good"].version, onto_bad(d)["version"], []

    def run(version: str) -> None:
        for _ in range(8):
            answer = d.set_alias(version)
            if version == bad and answer.status_code != 403:
                wrong.append(answer.text)

    threads = [threading.Thread(target=run, args=(version,)) for version in (good, bad, bad)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong, wrong
    return
