"""Jobs on the page: the list of all kinds, and trainings from their start to their end."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

import spaces
from service.jobs import JobError

SPACE = "spos-tiny"
REFUSED = r"status of 4(04|22)"

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]


def architecture() -> Any:
    space = spaces.get(SPACE)
    return space.decode(np.zeros((1, len(space.choices)), dtype=np.int8))[0]


def test_jobs_of_every_kind_are_listed_filtered_and_cancelled(
    unattended: Any, visit: Open, picture: Picture
) -> None:
    client = unattended.client
    first = client.search(space=SPACE, device="made-up", constraints={"latency_ms": 0.8})
    second = client.search(space=SPACE)
    training = client.retrain(architecture(), epochs=3)
    page = visit(unattended.url, REFUSED)
    rows = page.locator("#runs li")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text(f"Training {SPACE}")
    expect(rows.nth(2)).to_contain_text("made-up · latency ≤ 0.8 ms")
    job = unattended.claim()
    unattended.service.store.jobs.report(
        job.id, job.attempt, {"evaluated": 30, "planned": 100, "best": 1.0}
    )
    expect(rows.nth(2)).to_contain_text("30 %")
    picture(page, "jobs")
    kind, state = page.get_by_label("Kind of jobs"), page.get_by_label("State of jobs")
    kind.select_option("searches")
    expect(rows).to_have_count(2)
    # Both filters apply together.
    state.select_option("queued")
    expect(rows).to_have_count(1)
    kind.select_option("all kinds")
    expect(rows).to_have_count(2)
    kind.select_option("trained networks")
    expect(rows).to_have_count(1)
    state.select_option("running")
    expect(page.locator("#runs")).to_have_text("No jobs match the filter.")
    kind.select_option("all kinds")
    state.select_option("any state")
    expect(rows).to_have_count(3)
    cancel = page.get_by_role("button", name=f"Cancel {SPACE} made-up")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(rows.nth(2)).to_contain_text("cancelled")
    assert first.status().state == "cancelled"
    page.locator(f"#run-{training.id}").click()
    expect(page.locator("#result h2")).to_have_text(f"Training a network of {SPACE} on digits")
    expect(page.locator(f"#cancel-{training.id}")).to_have_count(0)
    page.locator("#cancel").click()
    expect(page.locator("#result .notice")).to_have_text("This training was cancelled.")
    page.locator(f"#run-{second.id}").click()
    expect(page.locator(".progress .row span")).to_have_text("Waiting for its turn")
    page.locator(f"#run-{first.id}").click()
    expect(page.locator("#result .notice")).to_have_text("This search was cancelled.")


def test_a_training_is_shown_until_it_ends_or_fails(
    unattended: Any, visit: Open, picture: Picture
) -> None:
    handle = unattended.client.retrain(architecture(), epochs=3)
    page = visit(f"{unattended.url}/#/job/{handle.id}", REFUSED)
    progress = page.locator(".progress .row span")
    expect(progress).to_have_text("Waiting for its turn")
    job = unattended.claim()
    expect(progress).to_have_text("Starting")
    unattended.report(job, 0.5, "training architecture.json", "epoch 2, loss 0.31")
    expect(progress).to_have_text("Training: epoch 2, loss 0.31")
    test = {
        "top1": 95.25,
        "top5": 99.5,
        "top1_interval": [92.7, 96.94],
        "cross_entropy": 0.287,
        "images": 400,
    }
    result = {"architecture": architecture().to_dict(), "test": test, "seed": 0}
    unattended.finish(job, result, "weights.safetensors", b"weights")
    expect(page.locator("#result h2")).to_have_text(f"A trained network of {SPACE} on digits")
    expect(page.locator(".figures dd").first).to_have_text("95.25 %")
    expect(page.locator(".figures")).to_contain_text("92.7 to 96.9 %")
    picture(page, "network-trained")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the weights").click()
    assert download.value.path().read_bytes() == b"weights"
    other = unattended.client.retrain(architecture(), epochs=4)
    job = unattended.claim()
    page.goto(f"{unattended.url}/#/job/{other.id}")
    expect(page.locator(".progress")).to_be_visible()
    unattended.service.store.jobs.fail(
        job.id, job.attempt, JobError("InvalidRun", "the loss is not a number")
    )
    expect(page.locator("#result .notice")).to_have_text(
        "This training failed: the loss is not a number."
    )
    page.goto(f"{unattended.url}/#/job/nonsense")
    expect(page.locator("#result .notice")).to_contain_text("nonsense")


@pytest.mark.slow
def test_a_network_of_a_search_is_retrained_by_the_service(
    served: Any, visit: Open, picture: Picture
) -> None:
    limits = {"latency_ms": 0.8}
    found = served.client.search(
        space=SPACE, device="made-up", constraints=limits, options={"generations": 2}
    )
    found.wait(400)
    page = visit(f"{served.url}/#/search/{found.id}", REFUSED)
    form = page.get_by_role("region", name="Train this network")
    expect(form.get_by_label("Data set")).to_have_value("digits")
    form.get_by_label("Epochs", exact=True).fill("0")
    form.get_by_role("button", name="Train here").click()
    expect(page.locator("#train-epochs-fault")).to_have_text("enter at least 1")
    form.get_by_label("Epochs", exact=True).fill("500")
    form.get_by_text("Recipe").click()
    form.get_by_label("Batch size").fill("32")
    form.get_by_label("Updates").fill("7")
    form.get_by_role("button", name="Train here").click()
    expect(page.locator("#train-steps-fault")).to_contain_text("epochs or steps, not both")
    form.get_by_label("Updates").fill("")
    form.get_by_role("button", name="Train here").click()
    expect(page.locator("#result h2")).to_have_text(f"Training a network of {SPACE} on digits")
    progress = page.locator(".progress .row span")
    expect(progress).to_have_text(re.compile(r"^Training: .*\d"), timeout=60_000)
    expect(page.locator("#runs li").first).to_contain_text(f"Training {SPACE}")
    picture(page, "training")
    job = served.client.request("GET", f"/jobs/{page.url.rpartition('/')[2]}")
    assert job["request"]["search"] == {"id": found.id, "architecture": 0}
    assert (job["request"]["options"]["epochs"], job["request"]["options"]["batch_size"]) == (
        500,
        32,
    )
    page.locator("#cancel").click()
    expect(page.locator("#result .notice")).to_have_text("This training was cancelled.")
    page.get_by_role("link", name=re.compile("^found by search")).click()
    expect(page.locator("#network-title")).to_have_text("The best network")


def test_a_search_guided_by_a_supernet_offers_its_weights(served: Any, visit: Open) -> None:
    found = served.client.search(space=SPACE, strategy="random", options={"evaluations": 3})
    found.wait(400)
    page = visit(served.url, f"{REFUSED}|status of 503")

    def as_if(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["request"]["guide"] = {"kind": "supernet", "name": "made-up", "metric": None}
        route.fulfill(response=answer, json=body)

    page.route(f"**/search/{found.id}*", as_if)
    page.goto(f"{served.url}/#/search/{found.id}")
    expect(page.get_by_role("link", name="This network as ONNX", exact=True)).to_be_visible()
    weighted = page.get_by_role("link", name="This network as ONNX with the supernet's weights")
    weighted.click()
    expect(page.locator("#result .fault").filter(has_text="failed")).to_contain_text(
        "weights=supernet"
    )
    expect(weighted).to_have_text("ONNX, supernet")


@pytest.mark.slow
def test_uploaded_evaluations_lead_to_a_search_on_a_real_service(
    start: Callable[..., Any], visit: Open, tmp_path: Path
) -> None:
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 60), axis=0)[:30]
    scores = zip(space.decode(codes), np.log(space.macs(codes)).tolist(), strict=True)
    own = start(tmp_path / "own")
    own.client.wait_until_ready(60)
    arguments = [
        {"architecture": found.to_dict(), "metrics": {"top1": score}} for found, score in scores
    ]
    own.client.upload_evaluations("mine", arguments)
    page = visit(f"{own.url}/#/add/predictor", REFUSED)
    page.get_by_label("Kind", exact=True).select_option("forest")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#result h2")).to_have_text("The predictor mine", timeout=90_000)
    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#guide")).to_have_value("predictor:mine")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator("#result .about").first).to_contain_text("guided by mine", timeout=60_000)
    expect(page.locator("#network-title")).to_have_text("The best network", timeout=60_000)
