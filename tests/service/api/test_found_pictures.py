"""Pictures of what networks of a search find, with the weights of its supernet."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from PIL import Image

import spaces
from oneshot.data.registry import load
from service.app import create_app
from service.context import service_of
from service.settings import Settings

SPACE = (
    "spos-tiny(channels=(8, 16, 32), head=mask(widths=(8, 16)), head_channels=16, input_size=32,"
    " repeats=(1, 1, 1), stem_channels=4)"
)


def searched(app: APIFlask, supernet: str | None, space_name: str) -> str:
    """A search that is done, guided by a supernet or by the predictor of the world."""
    space = spaces.get(space_name)
    body: dict[str, Any] = {"space": space.name, "strategy": {"name": "random"}}
    if supernet is not None:
        body["guide"] = {"kind": "supernet", "name": supernet}
    answer: Any = app.test_client().post("/search", json=body)
    assert answer.status_code == 202, answer.json
    store = service_of(app).store
    assert store.leases.claim("e") is not None
    found = [{"architecture": space.architecture([0] * len(space.choices)).to_dict()}]
    result = {"front": found, "best": found, "space": space.name}
    store.jobs.finish(answer.json["id"], 1, result, None)
    return str(answer.json["id"])


@pytest.fixture
def app(world: Any, tmp_path: Path) -> Iterator[APIFlask]:
    """A service with a supernet of segmenters, and one of classifiers."""
    from oneshot.run import Run
    from oneshot.run_settings import RunSettings

    for name, space_name, data, task in (
        ("masks", SPACE, "shape-masks", "segmentation"),
        ("classes", "spos-tiny", "digits", "classification"),
    ):
        space = spaces.get(space_name)
        settings = {
            "kind": "supernet",
            "space": space.name,
            "seed": 0,
            "data": load(data, space.input_shape, limit=20).record(),
            "task": task,
        }
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(settings))
        run = Run(folder, RunSettings.from_dict(settings))
        run.save(run.build())

    created = create_app(
        Settings(
            tmp_path / "data", (world.tables,), (world.predictors,), supernets=(tmp_path / "runs",)
        )
    )
    yield created
    service_of(created).stop()


def picture_of(app: APIFlask, job_id: str) -> Any:
    return app.test_client().get(f"/search/{job_id}/architectures/0?format=found")


@pytest.mark.slow
def test_network_is_drawn_with_the_supernets_weights(app: APIFlask, problem: Any) -> None:
    answer = picture_of(app, searched(app, "masks", SPACE))
    assert (answer.status_code, answer.content_type) == (200, "image/png"), answer.data
    with Image.open(io.BytesIO(answer.data)) as image:
        assert image.width > 4 * 128

    # Classes have no picture.
    job_id = searched(app, "classes", "spos-tiny")
    body = problem(picture_of(app, job_id), 409, "not-drawable")
    assert "results of the task classification have no pictures" in body["detail"]


def test_picture_needs_a_supernet(app: APIFlask, problem: Any) -> None:
    job_id = searched(app, None, "spos-tiny")
    body = problem(picture_of(app, job_id), 422, "invalid-value", "format")
    assert "needs a search that a supernet guided" in body["detail"]


def test_changed_weights_are_not_drawn(app: APIFlask, problem: Any, tmp_path: Path) -> None:
    job_id = searched(app, "masks", SPACE)
    with (tmp_path / "runs" / "masks" / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    problem(picture_of(app, job_id), 409, "unusable-file")
