"""Networks of text on the page: limits of both latencies, and blocks phase by phase."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import predictor
import spaces
from oneshot.search.loop import run_search
from service.admission.tasks import SearchTask
from service.kinds.search import problem_of
from spaces.space import SearchSpace
from tests.service.text_tables import decoder_table

from .conftest import Open

SPACE = "decoder-tiny"
REFUSED = "status of 4"


@pytest.fixture
def space(unattended: Any, tmp_path: Path) -> SearchSpace:
    """Decoders with a device, evaluations and a predictor at the service."""
    space = spaces.get(SPACE)
    unattended.client.upload_table(decoder_table(space))
    codes = np.unique(space.sample(np.random.default_rng(3), 60), axis=0)[:30]
    losses = 9 - np.log(space.macs(codes).astype(float)) / 2
    source = {"kind": "supernet", "task": "language"}
    unattended.client.upload_evaluations(
        "texts",
        [
            {"architecture": item.to_dict(), "metrics": {"cross_entropy": loss}, "source": source}
            for item, loss in zip(space.decode(codes), losses.tolist(), strict=True)
        ],
    )
    model = predictor.make("forest", space)
    model.fit(codes, -losses)
    model.record_training({"metric": "cross_entropy"})
    model.save(tmp_path / "text.safetensors")

    unattended.client.train_predictor("text", "texts", encoder="forest")
    report = {"encoder": "forest", "metric": "cross_entropy", "trained_on": 24, "tested_on": 6}
    unattended.finish(
        unattended.claim(),
        {"name": "text", "space": SPACE, "report": {**report, "figures": {}, "refit": False}},
        "predictor.safetensors",
        (tmp_path / "text.safetensors").read_bytes(),
    )
    return space


def test_decoders_are_searched_under_a_limit_of_the_time_of_a_token(
    unattended: Any, space: SearchSpace, visit: Open, picture: Callable[[Page, str], None]
) -> None:
    least, greatest = decoder_table(space).cost_model(space, "decode_ms").bounds()
    limit = round((least.value + greatest.value) / 2)
    page = visit(unattended.url, REFUSED)
    page.get_by_label("Space").select_option(SPACE)
    page.get_by_label("Device").select_option("text")
    expect(page.locator("#search-form .limit .switch")).to_have_text(
        ["Prompt", "Token", "FLOPs", "Parameters", "Memory"]
    )
    expect(page.locator("#space-hint")).to_contain_text("texts, read by up to 16 tokens")
    # As the latency of networks of images is.
    expect(page.get_by_label("Limit token")).to_be_checked()
    expect(page.locator("#limit-decode_ms-ends")).to_contain_text("fastest")

    page.locator("#limit-decode_ms-number").fill(str(limit))
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("h2.sentence")).to_contain_text(f"within {limit} ms a token")
    job = unattended.claim()
    task = SearchTask.from_dict(job.task)
    assert task.limits == {"decode_ms": limit}

    result = run_search(problem_of(task), "random", options={"evaluations": 40})
    value = result.to_dict()
    shown = {key: item for key, item in value.items() if key != "candidates"}
    unattended.finish(job, shown, "result.json", json.dumps(value).encode())

    page.locator(".network summary, .network .blocks").first.wait_for()
    titles = page.locator(".network h4")
    expect(titles.first).to_contain_text("Prompt: ")
    expect(titles.last).to_contain_text("Token: ")
    blocks = page.locator(".network .blocks").last
    expect(blocks).to_contain_text("cached tokens")
    expect(blocks).to_contain_text("1 token")
    assert result.best.costs["decode_ms"] <= limit
    picture(page, "text")

    page.locator("#train-level").select_option("characters")
    page.get_by_role("button", name="Train here").click()
    expect(page.locator("#job-title, .progress").first).to_be_visible()
    trained = unattended.claim()
    assert trained.kind == "retrain"
    assert trained.task["options"] == {"task": "language", "level": "characters"}
