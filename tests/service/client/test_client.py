"""The client with the real application, whose jobs the test runs."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from service.client import Client, JobProgress, SearchProgress, ServiceProblem
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


def test_a_retried_request_creates_one_job(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(answering.url)
    once = client.transport._send
    lost: list[Any] = []

    def losing(*arguments: Any) -> bytes:
        answer = once(*arguments)
        if not lost:
            lost.append(answer)
            raise ServiceProblem("the answer was lost", 502)
        return answer

    monkeypatch.setattr(client.transport, "_send", losing)
    handle = client.search(space=SPACE, seed=3)
    assert lost
    assert [job.id for job in client.jobs()] == [handle.id]
    assert client.search(space=SPACE, seed=3).id != handle.id


def test_arguments_of_a_search_are_sent(answering: Any) -> None:
    client = Client(answering.url)
    handle = client.search(
        space=SPACE,
        device="made-up",
        constraints={"latency_ms": 0.8, "flops": {"max": 3e6}},
        objectives=["latency_ms"],
        strategy="random",
        options={"evaluations": 7},
        guide="small",
        margin=0.5,
        count=4,
        seed=9,
    )
    body = handle.status().request
    values = {name: limit for name, limit in body["constraints"].items() if limit}
    assert values == {"latency_ms": {"max": 0.8}, "flops": {"max": 3e6}}
    assert body["strategy"] == {"name": "random", "options": {"evaluations": 7}}
    assert (body["guide"]["kind"], body["guide"]["name"]) == ("predictor", "small")
    assert [body[name] for name in ("objectives", "margin", "count", "seed")] == [
        ["latency_ms"],
        0.5,
        4,
        9,
    ]
    with pytest.raises(ServiceProblem) as caught:
        client.search(space=SPACE, guide="benchmark:nothing")
    assert (caught.value.status, caught.value.field) == (422, "guide.name")


def test_finalists_are_requested_and_report_their_trainings(answering: Any) -> None:
    client = Client(answering.url)
    handle = client.search(space=SPACE, finalists={"count": 4, "training": {"steps": 30}})

    request = handle.status().request["finalists"]
    assert request == {"count": 4, "data": "digits", "training": {"steps": 30}}
    trained = {"share": 0.25, "state": "rung 1/2, 2/4"}
    answering.run(progress=({"evaluated": 100, "planned": 100, "best": 1.5, "finalists": trained},))
    progress = handle.status().progress
    assert progress == SearchProgress(100, 100, 1.5, JobProgress(0.25, "", "rung 1/2, 2/4"))
    assert progress.fraction == 0.25
    client.cancel(handle.id)


def test_waiting_reports_progress_and_the_end(answering: Any) -> None:
    client = Client(answering.url)
    handle = client.search(space=SPACE)
    content: list[SearchProgress] = []
    reports = ({"evaluated": 50, "planned": 100, "best": 1.5},)

    def work() -> None:
        answering.run(progress=reports)
        while not content:
            time.sleep(0.01)
        client.cancel(handle.id)

    worker = threading.Thread(target=work)
    worker.start()
    with pytest.raises(ServiceProblem, match=f"the search {handle.id} was cancelled"):
        handle.wait(20, content.append)
    worker.join()
    assert content == [SearchProgress(50, 100, 1.5)]
    assert content[0].fraction == 0.5
    with pytest.raises(ServiceProblem, match="was cancelled and has no result"):
        handle.result()
    assert handle.cancel().state == "cancelled"
    with pytest.raises(TimeoutError, match=r"after 0\.01 s"):
        client.search(space=SPACE).wait(0.01)


def test_lists_are_returned_as_typed_values(answering: Any) -> None:
    client = Client(answering.url)
    space = next(found for found in client.spaces() if found.name == SPACE)
    assert space.architectures == 4096
    assert list(space.choices) == [choice.key for choice in spaces.get(SPACE).choices]
    tables = {table.name: table for table in client.tables()}
    assert (tables["made-up"].space, tables["made-up"].conditions["threads"]) == (SPACE, 1)
    assert tables["broken"].error is not None
    guides = {guide.name: guide for guide in client.predictors()}
    assert (guides["small"].space, guides["small"].kind) == (SPACE, "predictor")
    assert guides["broken"].error is not None
    assert {guide.kind for guide in client.guides("benchmark")} == {"benchmark"}
    found = client.bounds("made-up", SPACE)
    assert found.metrics["latency_ms"].least < found.metrics["latency_ms"].greatest
    assert found.metrics["macs"].sigma == 0
    with pytest.raises(ServiceProblem, match="unknown kind of guide 'oracle'"):
        client.guides("oracle")
    with pytest.raises(ServiceProblem) as caught:
        client.bounds("no such table", SPACE)
    assert caught.value.status == 404


def test_predictions_come_in_order(answering: Any) -> None:
    space = spaces.get(SPACE)
    architectures = space.decode(space.sample(np.random.default_rng(4), 5))
    found = Client(answering.url).predict(architectures, device="made-up")
    assert [prediction.architecture for prediction in found] == architectures
    assert [prediction.costs["macs"] for prediction in found] == [
        space.macs(each) for each in architectures
    ]
    assert all(
        prediction.deviation > 0 and prediction.costs["latency_ms"] > 0 for prediction in found
    )
    with pytest.raises(ServiceProblem, match="at least one is needed"):
        Client(answering.url).predict([])


def test_a_table_is_uploaded_in_versions(answering: Any, world: Any, tmp_path: Path) -> None:
    client = Client(answering.url)
    table = LookupTable.read(world.tables / "made-up.json")
    fields = {name: getattr(table, name) for name in table.__dataclass_fields__}
    other = LookupTable(**{**fields, "name": "elsewhere"})
    first = client.upload_table(other)
    assert (first.kind, first.name, first.version) == ("table", "elsewhere", 1)
    other.save(tmp_path / "elsewhere.json")
    assert client.upload_table(tmp_path / "elsewhere.json") == first
    again = client.upload_table(LookupTable(**{**fields, "name": "elsewhere", "seed": 1}))
    assert (again.version, again.sha256 != first.sha256) == (2, True)
    assert "elsewhere" in {found.name for found in client.tables()}
    with pytest.raises(ServiceProblem) as caught:
        client.upload_table(table)
    assert caught.value.status == 409


def test_a_predictor_is_trained_from_uploaded_evaluations(answering: Any) -> None:
    client = Client(answering.url)
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(2), 24), axis=0)
    evaluations = [
        {
            "architecture": architecture.to_dict(),
            "metrics": {"top1": float(value)},
            "source": {"kind": "test"},
        }
        for architecture, value in zip(space.decode(codes), np.log(space.macs(codes)), strict=True)
    ]
    assert client.upload_evaluations("mine", evaluations).kind == "evaluations"
    handle = client.train_predictor("trained", "mine", metric="top1", seed=5)
    status = handle.status()
    assert (status.kind, status.state, status.request["name"]) == ("predictor", "queued", "trained")
    assert answering.run(result={"tau": 0.9}) == handle.id
    assert handle.wait(10) == {"tau": 0.9}
    with pytest.raises(ServiceProblem) as caught:
        handle.cancel()
    assert caught.value.status == 409
    retraining = client.retrain(space.decode(codes)[0], epochs=2)
    assert retraining.status().request["options"]["epochs"] == 2
    assert [job.kind for job in client.jobs(state="queued")] == ["retrain"]
    assert retraining.cancel().state == "cancelled"


def test_long_lists_are_read_page_by_page(answering: Any) -> None:
    client = Client(answering.url)
    ids = [client.search(space=SPACE, seed=seed).id for seed in range(103)]
    assert [job.id for job in client.jobs(limit=1000)] == ids[::-1]
    assert [job.id for job in client.jobs(limit=2, kind="search")] == ids[:-3:-1]
    assert client.jobs(kind="retrain") == []


def test_uploads_belong_to_the_token_or_are_shared(answering: Any, world: Any) -> None:
    tokens = answering.store.tokens
    ada = Client(answering.url, tokens.create("ada"))
    root = Client(answering.url, tokens.create("root", administrator=True))
    table = replace(LookupTable.read(world.tables / "made-up.json"), name="phone")

    with pytest.raises(ServiceProblem, match="only an administrator's token") as caught:
        ada.upload_table(table, shared=True)
    assert (caught.value.status, caught.value.field) == (403, "shared")
    assert root.upload_table(table, shared=True).qualified_name == "shared/phone"
    assert ada.upload_table(table).qualified_name == "ada/phone"

    owners = {found.name: found.owner for found in ada.tables()}
    assert (owners["phone"], owners["shared/phone"]) == ("ada", "shared")
    guides = {guide.name: guide.owner for guide in ada.predictors()}
    assert guides["small"] == "shared"
    assert ada.bounds("shared/phone", SPACE).metrics == ada.bounds("phone", SPACE).metrics
