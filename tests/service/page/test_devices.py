"""Devices on the page: their state, a table that is built there, measured next to predicted."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from playwright.sync_api import Page, expect

import spaces
from oneshot.search.loop import run_search
from oneshot.search.verification import Verification, VerifiedNetwork
from service.admission.tasks import SearchTask
from service.kinds.search import problem_of
from tests.service.page.accessibility import find_violations
from tests.service.verified import end_verified_search
from tests.steady import steady_table

Open = Callable[..., Page]

# One device of the tests lacks a block: its bounds are refused.
REFUSED = "status of 422"
PATIENCE_MS = 120_000


def register(unattended: Any, name: str = "my-board") -> Any:
    device = {"kind": "cpu", "processor": "A Board's Processor", "cores": 4}
    agents = unattended.service.store.agents
    return agents.register(name, None, device, ["torch", "onnxruntime"], 4, "1.0")


def test_table_is_built_on_a_device_by_a_button(unattended: Any, visit: Open) -> None:
    agent = register(unattended)
    page = visit(f"{unattended.url}/#/add/device", REFUSED)
    row = page.get_by_role("row", name="my-board")
    expect(row).to_contain_text("ready")
    expect(row).to_contain_text("A Board's Processor")
    assert find_violations(page, "devices") == []

    page.get_by_label("Search space").last.select_option("spos-tiny")
    page.get_by_role("button", name="Build its table").click()
    expect(page.locator("#result h2")).to_have_text("Building the table my-board-spos-tiny")
    job = unattended.service.store.agents.claim(agent.id)
    assert job is not None
    assert job.task["measuring"]["space"] == "spos-tiny"

    result = {"table": "my-board-spos-tiny", "version": 1, "blocks": 27, "networks": 200}
    unattended.service.store.jobs.finish(job.id, job.attempt, result, None)
    expect(page.locator("#result h2")).to_have_text("The table my-board-spos-tiny")
    expect(page.get_by_role("button", name="Search with it")).to_be_visible()


def test_page_without_devices_has_the_command_that_starts_one(unattended: Any, visit: Open) -> None:
    page = visit(f"{unattended.url}/#/add/device", REFUSED)
    expect(page.get_by_text("No device yet.")).to_be_visible()
    command = f"python -m profiler agent --service {unattended.url} --name my-board"
    expect(page.locator("#result pre")).to_have_text(command)
    expect(page.get_by_role("button", name="Build its table")).to_be_hidden()


def test_measured_latencies_stand_next_to_predicted_ones(unattended: Any, visit: Open) -> None:
    search = unattended.client.search(space="spos-tiny", device="made-up", guide="small")
    job = unattended.claim()
    found = run_search(
        problem_of(SearchTask.from_dict(job.task)), "random", options={"evaluations": 12}
    )
    verification = Verification(
        table="made-up",
        device={},
        conditions={},
        limit_ms=1.5,
        sigma_ms=0.1,
        requested=2,
        networks=(VerifiedNetwork(1, 1.234, 1.345, 1.4, 0.1),),
        excluded=(VerifiedNetwork(0, 1.456, 1.789, 1.8, 0.1),),
        note="1 of 2 networks keep the limit, of the 8 best that were measured",
    )
    value = replace(found, verification=verification).to_dict(1)
    content = json.dumps(value).encode()
    artifact = unattended.service.artifacts.write(job.id, job.attempt, "result.json", content)
    del value["candidates"]
    unattended.service.store.jobs.finish(job.id, job.attempt, value, artifact)

    page = visit(f"{unattended.url}/#/search/{search.id}", REFUSED)
    table = page.get_by_role("region", name="Measured networks")
    # The view is drawn as a whole, with its plot, which a loaded machine takes long for.
    expect(table).to_be_visible(timeout=PATIENCE_MS)
    expect(table.get_by_role("row").nth(1)).to_contain_text("1.345")
    expect(table.get_by_role("row").nth(2)).to_contain_text("breaks the limit")
    expect(page.get_by_text("1 of 2 networks keep the limit")).to_be_visible()


def test_button_adds_measured_networks_to_the_table(unattended: Any, visit: Open) -> None:
    table = steady_table(spaces.get("spos-tiny"), name="steady")
    unattended.client.upload_table(table, "steady")
    unattended.client.search(space="spos-tiny", device="steady", guide="small")
    search, _ = end_verified_search(unattended.service, table)

    page = visit(f"{unattended.url}/#/search/{search}", REFUSED)
    button = page.get_by_role("button", name="Refine steady")
    expect(button).to_be_visible(timeout=PATIENCE_MS)
    assert find_violations(page, "a verified search") == []
    button.click()
    done = page.get_by_text("Version 2 of steady has 3 more networks")
    expect(done).to_be_visible(timeout=PATIENCE_MS)
    expect(button).to_be_hidden()
    new, _ = unattended.service.catalog.table("steady")
    assert len(new.networks) == len(table.networks) + 3

    # Another page offers the button still, and has the reason why nothing is added.
    other = visit(f"{unattended.url}/#/search/{search}", REFUSED)
    other.get_by_role("button", name="Refine steady").click(timeout=PATIENCE_MS)
    expect(other.get_by_text("measurements are in 'steady' already")).to_be_visible()

    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#device")).to_have_value("steady")
