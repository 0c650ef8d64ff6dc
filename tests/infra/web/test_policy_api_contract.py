"""The service against its own OpenAPI document, with generated requests, good and bad."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.settings import Settings
from infra.web.app import create_app
from infra.web.keys import ApiKeys, Scope
from tests.infra.web.test_policy_api import NOW
from tests.support.served import served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    home = tmp_path_factory.mktemp("contract")
    key = ApiKeys(home).create("contract", scopes=[*Scope], now=NOW)
    with served(create_app(Settings(home=home))) as url:
        yield schemathesis.openapi.from_url(f"{url}/v1/openapi.json"), {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("post", "/v1/resolve"), ("get", "/v1/policies"), ("get", "/v1/policies/{id}/{version}")],
)
def test_every_answer_keeps_to_the_document(service, method, path):
    schema, keyed = service

    @given(case=schema[path][method].as_strategy())
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    def keeps(case):
        case.call_and_validate(headers=keyed, checks=CHECKS)

    keeps()
