"""Pipelines on the page: their steps, their files and their cancellation."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from service.jobs import Job, JobError
from tests.service.page.accessibility import find_violations

# A table of the world lacks a block, which the search form is told.
REFUSED = r"status of 422"

Open = Callable[..., Page]
Picture = Callable[[Page, str], None]


@pytest.fixture
def accept(unattended: Any) -> Callable[[], Job]:
    """Puts a pipeline into the queue without its check, which is a process of seconds."""

    def create() -> Job:
        request = {"name": "phone", "space": "spos-tiny", "stages": ["train", "search"]}
        job: Job = unattended.service.store.jobs.create("pipeline", request, {})[0]
        return job

    return create


def progress(*states: str, share: float = 0.0) -> dict[str, Any]:
    steps = [
        {"name": name, "state": state, "seconds": 2.5, "result": "fine" if state == "done" else ""}
        for name, state in zip(("train", "search"), states, strict=True)
    ]
    running = next((step["name"] for step in steps if step["state"] == "running"), "")
    return {"share": share, "stage": running, "state": "step 3" if running else "", "steps": steps}


def test_a_pipeline_is_shown_by_its_steps_until_its_files(
    unattended: Any, visit: Open, picture: Picture, accept: Callable[[], Job]
) -> None:
    handle = accept()
    page = visit(f"{unattended.url}/#/job/{handle.id}", REFUSED)
    expect(page.locator("#result h2")).to_have_text("Running the pipeline phone")
    expect(page.locator(".steps tbody tr")).to_have_count(2)
    expect(page.locator("#runs li")).to_contain_text("Pipeline phone")

    job = unattended.claim()
    jobs = unattended.service.store.jobs
    jobs.report(job.id, job.attempt, progress("done", "running", share=0.6))
    expect(page.locator(".progress .row span")).to_have_text("Search: step 3")
    rows = page.locator(".steps tbody tr")
    expect(rows.nth(0)).to_have_text("traindonefine")
    expect(rows.nth(1)).to_have_attribute("aria-current", "step")
    picture(page, "pipeline-running")
    jobs.report(job.id, job.attempt, progress("done", "done", share=1.0))
    expect(page.locator(".progress .row span")).to_have_text("Running")

    unattended.service.artifacts.write(job.id, job.attempt, "search.json", b"found")
    stages = [
        {"name": "train", "seconds": 2.5, "result": "tau 0.81 +- 0.05", "files": []},
        {"name": "search", "seconds": 2.5, "result": "good", "files": ["search.json"]},
        {"name": "retrain", "seconds": 2.5, "result": "", "files": ["retrain-test.png"]},
    ]
    sheet = io.BytesIO()
    Image.new("RGB", (798, 440), "teal").save(sheet, "PNG")
    unattended.service.artifacts.write(job.id, job.attempt, "retrain-test.png", sheet.getvalue())
    result = {"name": "phone", "stages": stages, "published": {}}
    unattended.finish(job, result, "summary.json", b"{}")
    expect(page.locator("#result h2")).to_have_text("The pipeline phone")
    expect(rows.nth(0)).to_contain_text("tau 0.81 \N{PLUS-MINUS SIGN} 0.05")
    found = page.locator(".found img")
    expect(found).to_be_visible()
    # A picture that cannot be read has no size of its own.
    page.wait_for_function("document.querySelector('.found img').naturalWidth === 798")
    picture(page, "pipeline-done")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "pipeline-done-narrow")
    assert find_violations(page, "pipeline") == []
    with page.expect_download() as download:
        page.get_by_role("link", name="search.json").click()
    assert download.value.path().read_bytes() == b"found"


def test_a_pipeline_is_cancelled_or_fails_with_the_reason(
    unattended: Any, visit: Open, accept: Callable[[], Job]
) -> None:
    first = accept()
    page = visit(f"{unattended.url}/#/job/{first.id}", REFUSED)
    page.locator("#cancel").click()
    expect(page.locator("#result .notice")).to_have_text("This pipeline was cancelled.")

    second = accept()
    job = unattended.claim()
    assert job.id == second.id
    page.goto(f"{unattended.url}/#/job/{second.id}")
    jobs = unattended.service.store.jobs
    jobs.report(job.id, job.attempt, progress("running", "waiting"))
    reason = "the stage train failed: the loss is not a number"
    jobs.fail(job.id, job.attempt, JobError("CommandFailed", reason))
    expect(page.locator("#result .notice")).to_have_text(f"This pipeline failed: {reason}.")
    expect(page.locator(".steps tbody tr")).to_have_count(2)


@pytest.mark.parametrize(
    "settings",
    [{}, {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}],
    ids=["light", "dark-narrow"],
)
def test_a_pipeline_is_started_by_its_form_and_every_fault_is_shown(
    unattended: Any,
    visit: Open,
    picture: Picture,
    tmp_path: Path,
    settings: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    page = visit(f"{unattended.url}/#/add/pipeline", REFUSED, **settings)
    stages = page.get_by_label("Stages")
    expect(stages).to_have_value(re.compile("space: spos-tiny"))
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#pipeline-name-fault")).to_have_text("enter a value")

    file = tmp_path / "my phone.yaml"
    file.write_text("space: spos-tiny\ndata: digits\ntrain: {epochs: many}\nserach: {}\n")
    page.get_by_label("Read from a file").set_input_files(file)
    expect(page.get_by_label("Name", exact=True)).to_have_value("my-phone")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#pipeline-text-fault")).to_have_text("2 faults:", timeout=60_000)
    faults = page.locator("#pipeline-faults li")
    expect(faults).to_contain_text([re.compile("line 3.*many"), re.compile("line 4.*serach")])
    picture(page, f"pipeline-form-{request.node.callspec.id}")
    assert find_violations(page, "faults of a pipeline") == []

    stages.fill("space: spos-tiny\ndata: digits\ntrain: {epochs: 1}\n")
    expect(faults.first).to_be_hidden()
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#result h2")).to_have_text("Running the pipeline my-phone", timeout=60_000)
    assert unattended.claim().request["stages"] == ["train"]
