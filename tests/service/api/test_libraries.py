"""Libraries: names of uploads belong to the token that uploaded them, or are shared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.admission.tasks import SearchTask
from service.app import create_app
from service.context import Service, service_of
from service.settings import Settings
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"
LIMIT = {"latency_ms": {"max": 1000.0}}


@dataclass
class Person:
    """Somebody who sends requests with a token, or without one."""

    http: FlaskClient
    secret: str | None = None

    def get(self, path: str) -> TestResponse:
        return self.http.get(path, headers=self.headers)

    def post(self, path: str, body: dict[str, Any]) -> TestResponse:
        return self.http.post(path, json=body, headers=self.headers)

    def names(self, path: str) -> dict[str, str]:
        """Name -> owner of the listed items."""
        return {item["name"]: item["owner"] for item in self.get(path).json["items"]}

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.secret is None else {"Authorization": f"Bearer {self.secret}"}


@pytest.fixture
def people(app: APIFlask) -> Callable[..., Person]:
    def make(name: str, **rights: Any) -> Person:
        return Person(app.test_client(), service_of(app).store.tokens.create(name, **rights))

    return make


@pytest.fixture
def ada(people: Callable[..., Person]) -> Person:
    return people("ada")


@pytest.fixture
def bob(people: Callable[..., Person]) -> Person:
    return people("bob")


@pytest.fixture
def root(people: Callable[..., Person]) -> Person:
    return people("root", administrator=True)


@pytest.fixture
def service(app: APIFlask) -> Service:
    return service_of(app)


@pytest.fixture
def table(world: Any) -> Callable[..., dict[str, Any]]:
    """Makes a table to upload, whose blocks take `factor` times as long."""

    def make(name: str = "phone", factor: float = 1.0) -> dict[str, Any]:
        value = LookupTable.read(world.tables / "made-up.json").to_dict()
        blocks = {
            key: {**cost, "latency_ms": factor * cost["latency_ms"]}
            for key, cost in value["blocks"].items()
        }
        return {**value, "name": name, "blocks": blocks}

    return make


@pytest.fixture
def bare(world: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[APIFlask]:
    """A service without tables of its own."""
    monkeypatch.setattr("tables.store.folders", list)
    app = create_app(Settings(tmp_path / "bare", (), (world.predictors,), supernets=()))
    yield app
    service_of(app).stop()


def pinned_table(service: Service, answer: TestResponse) -> Any:
    assert answer.status_code == 202, answer.json
    return SearchTask.from_dict(service.store.jobs.get(answer.json["id"]).task).table


def search(device: str | None = "phone") -> dict[str, Any]:
    device_field = {} if device is None else {"device": device}
    return {"space": SPACE, "guide": {"name": "small"}, "constraints": LIMIT, **device_field}


def test_upload_never_replaces_a_file_of_another_owner(
    service: Service, ada: Person, bob: Person, table: Any
) -> None:
    first = ada.post("/tables", table()).json
    second = bob.post("/tables", table(factor=3.0)).json
    assert (first["owner"], first["version"]) == ("ada", 1)
    assert (second["owner"], second["version"]) == ("bob", 1)

    for person, uploaded in ((ada, first), (bob, second)):
        reference = pinned_table(service, person.post("/search", search()))
        assert reference.sha256 == uploaded["sha256"]


def test_default_table_is_never_that_of_a_stranger(
    bare: APIFlask, table: Any, problem: Any
) -> None:
    service = service_of(bare)
    ada, bob = (
        Person(bare.test_client(), service.store.tokens.create(name)) for name in ("ada", "bob")
    )
    root = Person(bare.test_client(), service.store.tokens.create("root", administrator=True))
    uploaded = ada.post("/tables", table("mine")).json
    answer = problem(bob.post("/search", search(None)), 422, "invalid-value", "device")
    assert answer["known"] == []

    bob.post("/tables", table("his", 2.0))
    root.post("/tables", {**table("everybodys", 4.0), "shared": True})
    reference = pinned_table(service, ada.post("/search", search(None)))
    assert (reference.name, reference.sha256) == ("ada/mine", uploaded["sha256"])


def test_default_table_is_the_shared_one_without_an_own_one(
    bare: APIFlask, table: Any, problem: Any
) -> None:
    service = service_of(bare)
    bob = Person(bare.test_client(), service.store.tokens.create("bob"))
    root = Person(bare.test_client(), service.store.tokens.create("root", administrator=True))
    root.post("/tables", {**table("everybodys"), "shared": True})
    assert pinned_table(service, bob.post("/search", search(None))).name == "shared/everybodys"

    for name in ("one", "two"):
        bob.post("/tables", table(name))
    refused = problem(bob.post("/search", search(None)), 422, "invalid-value", "device")
    assert refused["known"] == ["one", "two", "everybodys"]


def test_only_administrators_write_to_the_shared_library(
    ada: Person, root: Person, table: Any, evaluations: Any, problem: Any
) -> None:
    bodies = {
        "/tables": table(),
        "/evaluations": evaluations(30),
        "/predictors": {"name": "mine", "evaluations": "measured", "options": {"metric": "top1"}},
    }
    for path, body in bodies.items():
        shared = {**body, "shared": True}
        problem(ada.post(path, shared), 403, "administrator-needed", "shared")
        answer = root.post(path, shared)
        assert answer.status_code in (201, 202)
        assert answer.json.get("owner", "shared") == "shared"

    assert ada.names("/tables")["phone"] == "shared"
    assert ada.names("/evaluations") == {"measured": "shared"}


def test_plain_name_means_own_file_before_shared_one(
    service: Service, ada: Person, bob: Person, root: Person, table: Any
) -> None:
    shared = root.post("/tables", {**table(factor=5.0), "shared": True}).json
    own = ada.post("/tables", table()).json

    names = ada.names("/tables")
    assert (names["phone"], names["shared/phone"]) == ("ada", "shared")
    expected = {"phone": own, "ada/phone": own, "shared/phone": shared}
    for name, uploaded in expected.items():
        reference = pinned_table(service, ada.post("/search", search(name)))
        assert reference.sha256 == uploaded["sha256"], name

    assert pinned_table(service, bob.post("/search", search())).sha256 == shared["sha256"]
    # A name of a folder is free in a library of one's own.
    assert ada.post("/tables", table("made-up", 2.0)).status_code == 201
    assert ada.names("/tables")["shared/made-up"] == "shared"


def test_requests_are_recorded_by_names_that_remain_unique(
    service: Service, ada: Person, table: Any
) -> None:
    before = ada.post("/search", search("made-up")).json
    assert before["request"]["device"] == "shared/made-up"
    assert before["request"]["guide"]["name"] == "shared/small"
    ada.post("/tables", table("made-up", 2.0))

    again = ada.post("/search", before["request"])
    assert again.json["request"] == before["request"]
    tasks = [service.store.jobs.get(answer["id"]).task for answer in (before, again.json)]
    assert tasks[0]["table"]["sha256"] == tasks[1]["table"]["sha256"]


@pytest.mark.parametrize(
    "name",
    ["bob/phone", "bob//phone", "bob%2Fphone", "/phone", "../bob/phone", "shared/phone", "phone"],
)
def test_file_of_a_stranger_is_answered_like_one_that_does_not_exist(
    ada: Person, bob: Person, table: Any, evaluations: Any, problem: Any, name: str
) -> None:
    missing = name.replace("phone", "nothing")

    def answers(name: str) -> list[Any]:
        evaluation = {"name": "x", "evaluations": name, "options": {"metric": "top1"}}
        prediction = {"space": SPACE, "architectures": [[0] * 6]}
        return [
            ada.post("/search", search(name)),
            ada.post("/search", {"space": SPACE, "guide": {"name": name}}),
            ada.post("/predictors", evaluation),
            ada.post("/predict", {**prediction, "predictor": name}),
            ada.post("/predict", {**prediction, "predictor": "small", "device": name}),
            ada.get(f"/tables/{name}/bounds?space={SPACE}"),
        ]

    before = answers(missing)
    bob.post("/tables", table())
    bob.post("/evaluations", evaluations(30, "phone"))
    after = answers(name)

    assert [answer.status_code for answer in before] == [answer.status_code for answer in after]
    for earlier, later in zip(before[:-1], after[:-1], strict=True):
        assert earlier.json["detail"].replace("nothing", "phone") == later.json["detail"]
    assert after[-1].status_code in (404, 308)
    assert not any("bob" in listed for listed in ada.names("/tables"))
    assert ada.names("/evaluations") == {}


def test_path_of_a_qualified_name_may_be_encoded(ada: Person, table: Any) -> None:
    ada.post("/tables", table())
    plain = ada.get(f"/tables/phone/bounds?space={SPACE}").json["metrics"]
    for name in ("ada/phone", "ada%2Fphone"):
        answer = ada.get(f"/tables/{name}/bounds?space={SPACE}")
        assert (answer.status_code, answer.json["metrics"]) == (200, plain)


def test_owner_cannot_be_forged_by_the_name_of_an_upload(
    ada: Person, bob: Person, table: Any, problem: Any
) -> None:
    for name in ("bob/phone", "shared/phone", "bob%2Fphone"):
        problem(ada.post("/tables", table(name)), 422, "invalid-value", "name")
    answer = ada.post("/tables", {**table(), "owner": "bob"})
    assert answer.status_code in (201, 422)
    assert "phone" not in bob.names("/tables")


def test_no_token_is_named_like_the_shared_library(service: Service) -> None:
    from service.store import InvalidToken

    with pytest.raises(InvalidToken, match="'shared' is the name of the shared library"):
        service.store.tokens.create("shared")


def test_new_token_of_a_revoked_name_does_not_inherit_its_files(
    service: Service, ada: Person, people: Any, table: Any
) -> None:
    ada.post("/tables", table())
    service.store.tokens.revoke("ada")
    successor = people("ada")
    assert "phone" not in successor.names("/tables")
    assert successor.get(f"/tables/ada/phone/bounds?space={SPACE}").status_code == 404


def test_administrators_name_the_files_of_every_owner(
    service: Service, ada: Person, bob: Person, root: Person, table: Any, problem: Any
) -> None:
    uploaded = ada.post("/tables", table()).json
    assert root.names("/tables")["ada/phone"] == "ada"
    assert pinned_table(service, root.post("/search", search())).sha256 == uploaded["sha256"]

    bob.post("/tables", table(factor=2.0))
    for answer, field in (
        (root.post("/search", search()), "device"),
        (root.get(f"/tables/phone/bounds?space={SPACE}"), "name"),
    ):
        refused = problem(answer, 409, "ambiguous-name", field)
        assert sorted(refused["candidates"]) == ["ada/phone", "bob/phone"]

    root.post("/tables", table(factor=3.0))
    assert root.post("/search", search()).status_code == 202


def test_predictor_belongs_to_the_owner_of_its_training(
    world: Any, service: Service, ada: Person, bob: Person, root: Person, evaluations: Any
) -> None:
    trained = (world.predictors / "small.safetensors").read_bytes()
    body = {"name": "mine", "evaluations": "measured", "options": {"metric": "top1"}}
    for person, parts in ((ada, {}), (root, {"name": "everybodys", "shared": True})):
        person.post("/evaluations", evaluations(30))
        answer = person.post("/predictors", {**body, **parts})
        assert answer.status_code == 202
        assert answer.json["request"].get("shared", False) is parts.get("shared", False)
        job = service.store.leases.claim("e")
        artifact = service.artifacts.write(job.id, 1, "predictor.safetensors", trained)
        service.store.jobs.finish(job.id, 1, {}, artifact)

    assert ada.names("/predictors")["mine"] == "ada"
    assert ada.names("/predictors")["everybodys"] == "shared"
    assert "mine" not in bob.names("/predictors")
    guided = {"space": SPACE, "guide": {"name": "mine"}}
    assert ada.post("/search", guided).json["request"]["guide"]["name"] == "ada/mine"
    assert bob.post("/search", guided).status_code == 422
    # The trained predictors alone are no choice of another owner's either.
    refused = bob.post("/search", {"space": SPACE})
    assert refused.json["known"] == ["small", "everybodys"]


def test_spaces_of_strangers_are_not_listed(service: Service, ada: Person, bob: Person) -> None:
    path, sha256 = service.artifacts.keep(b"a predictor")
    tokens = {token.name: token.id for token in service.store.tokens.list()}
    ids = tokens["bob"]
    summary = {"space": "spos-tiny(num_classes=11)"}
    service.store.files.add("predictor", "his", sha256, path, ids, ids, summary=summary)
    assert "spos-tiny(num_classes=11)" not in ada.get("/spaces").text
    assert "spos-tiny(num_classes=11)" in bob.get("/spaces").text


def test_without_tokens_there_are_no_owners(http: FlaskClient, table: Any) -> None:
    uploaded = http.post("/tables", json=table())
    assert (uploaded.status_code, "owner" in uploaded.json) == (201, False)
    assert all("owner" not in item for item in http.get("/tables").json["items"])
    answer = http.post("/search", json=search())
    assert answer.json["request"]["device"] == "phone"
    assert http.post("/search", json=search("shared/phone")).status_code == 422


def test_uploads_before_the_first_token_are_shared(
    http: FlaskClient, table: Any, people: Any
) -> None:
    http.post("/tables", json=table())
    assert people("ada").names("/tables")["phone"] == "shared"
