"""Networks of searches as ONNX with the weights of the supernet that guided the search."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

import spaces
from service.app import create_app
from service.context import service_of
from service.settings import Settings

SPACE = "spos-tiny"
CODES = [1, 0, 3, 2, 1, 0]


@dataclass(frozen=True)
class Guided:
    """A service with a supernet, and a search that it guided."""

    app: APIFlask
    run: Path
    job_id: str

    def get(self, query: str) -> Any:
        return self.app.test_client().get(f"/search/{self.job_id}/architectures/0?{query}")


@pytest.fixture
def guided(world: Any, tmp_path: Path) -> Iterator[Guided]:
    import torch

    from oneshot.run import Run
    from oneshot.run_settings import RunSettings
    from spaces.modules.supernet import Supernet

    space = spaces.get(SPACE)
    settings = {
        "kind": "supernet",
        "space": space.name,
        "seed": 3,
        "version": "1",
        "data": {"name": "image-folder:/home/me/photographs", "num_classes": 5},
    }
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(settings))
    run = Run(folder, RunSettings.from_dict(settings))
    supernet = run.build()
    assert isinstance(supernet, Supernet)
    supernet.activate(space.architecture(CODES))
    # Its normalisation has statistics of its own.
    supernet.train()(
        torch.randn(16, *space.input_shape, generator=torch.Generator().manual_seed(1)) * 2 + 1
    )
    run.save(supernet)
    app = create_app(
        Settings(
            tmp_path / "data", (world.tables,), (world.predictors,), supernets=(tmp_path / "runs",)
        )
    )
    store = service_of(app).store
    body = {"space": SPACE, "guide": {"kind": "supernet"}, "strategy": {"name": "random"}}
    job_id = app.test_client().post("/search", json=body).json["id"]
    assert store.leases.claim("e") is not None
    found = [{"architecture": space.architecture(CODES).to_dict()}]
    store.jobs.finish(job_id, 1, {"front": found, "best": found, "space": SPACE}, None)
    yield Guided(app, folder, job_id)
    service_of(app).stop()


@pytest.mark.slow
def test_an_exported_network_has_the_weights_of_its_path(guided: Guided, tmp_path: Path) -> None:
    import torch

    from oneshot.export.onnx_network import OnnxNetwork
    from oneshot.run import read_run
    from spaces.files import digest
    from spaces.modules.supernet import Supernet

    answer = guided.get("format=onnx&weights=supernet")
    assert (answer.status_code, answer.mimetype) == (200, "application/onnx"), answer.data
    (tmp_path / "n.onnx").write_bytes(answer.data)
    network = OnnxNetwork(tmp_path / "n.onnx")
    run = read_run(guided.run, "supernet")
    supernet, architecture = run.load(), run.space.architecture(CODES)
    assert isinstance(supernet, Supernet)
    supernet.activate(architecture)
    images = torch.randn(3, *run.space.input_shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images), supernet(images), rtol=1e-3, atol=1e-4)
    content = network.metadata
    assert (content["weights"], json.loads(content["supernet"])["name"]) == ("supernet", "mine")
    assert json.loads(content["supernet"])["sha256"] == digest(run.weights)
    assert spaces.Architecture.from_json(content["architecture"]) == architecture
    assert json.loads(content["data"]) == {"name": "photographs", "num_classes": 5}
    assert b"/home/me" not in answer.data
    assert str(tmp_path).encode() not in answer.data


def test_only_onnx_has_weights(guided: Guided, problem: Any) -> None:
    problem(guided.get("format=nni&weights=supernet"), 422, "invalid-value", "weights")
    problem(guided.get("format=onnx&weights=mine"), 422, "invalid-value", "weights")


def test_changed_supernet_weights_are_reported(guided: Guided, problem: Any) -> None:
    with (guided.run / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    detail = problem(guided.get("format=onnx&weights=supernet"), 409, "unusable-file")["detail"]
    assert "was changed after this search was accepted" in detail


def test_a_search_without_a_supernet_has_no_weights(guided: Guided, problem: Any) -> None:
    http, store = guided.app.test_client(), service_of(guided.app).store
    job_id = http.post("/search", json={"space": SPACE, "strategy": {"name": "random"}}).json["id"]
    assert store.leases.claim("e") is not None
    found = [{"architecture": spaces.get(SPACE).architecture(CODES).to_dict()}]
    store.jobs.finish(job_id, 1, {"front": found, "best": found, "space": SPACE}, None)
    answer = http.get(f"/search/{job_id}/architectures/0?format=onnx&weights=supernet")
    detail = problem(answer, 422, "invalid-value", "weights")["detail"]
    assert "weights=supernet" in detail
    assert "a predictor guided this one" in detail
