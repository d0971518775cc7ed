"""A table of a steady backend, a service, and the tokens of two people and their agents."""

import pytest
from apiflask import APIFlask

from service.context import Service, service_of
from tables import LookupTable
from tests.service.api.agents.requests import SPACE
from tests.steady import steady_table


@pytest.fixture(scope="module")
def table() -> LookupTable:
    return steady_table(SPACE, name="steady")


@pytest.fixture
def service(app: APIFlask) -> Service:
    return service_of(app)


@pytest.fixture
def tokens(service: Service) -> dict[str, dict[str, str]]:
    """Headers of two people, and of the agents of each."""
    create = service.store.tokens.create
    secrets = {name: create(name) for name in ("ada", "bob")}
    secrets["pi"] = create("pi", agent_of="ada")
    secrets["nano"] = create("nano", agent_of="bob")
    return {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
