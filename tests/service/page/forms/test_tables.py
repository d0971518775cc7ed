"""Forms that add devices: uploaded tables, shared ones, and adapted ones."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

import spaces
from tests.service.page.accessibility import find_violations
from tests.service.page.forms.inputs import REFUSED, SPACE, Open, Picture, fault


def test_a_table_is_uploaded_and_searched_with(
    unattended: Any, world: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    page = visit(unattended.url, REFUSED)
    page.get_by_text("2 files cannot be used").click()
    expect(page.locator("#unusable li")).to_have_text(
        [re.compile(r"^broken.*json"), re.compile(r"^broken.*safetensors")]
    )
    page.get_by_role("link", name="A device").click()
    page.get_by_role("button", name="Upload").click()
    expect(fault(page, "table-file")).to_have_text("choose a file")
    expect(fault(page, "table-name")).to_have_text("enter a value")
    page.locator("#table-file").set_input_files(world.tables / "broken.json")
    expect(fault(page, "table-file")).to_contain_text("broken.json is not JSON")
    page.locator("#table-file").set_input_files(world.tables / "made-up.json")
    expect(page.locator("#table-file-hint")).to_have_text(
        re.compile(rf"^{SPACE} · made up, .* blocks, 64 networks$")
    )
    name = page.locator("#table-name")
    expect(name).to_have_value("made-up")
    page.get_by_role("button", name="Upload").click()
    expect(fault(page, "table-name")).to_contain_text("name 'made-up'")
    expect(name).to_be_focused()
    picture(page, "table-refused")
    name.fill("my-phone")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text(
        "Uploaded my-phone. Searches can use it now."
    )
    picture(page, "table-uploaded")
    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#device")).to_have_value("my-phone")
    assert "my-phone" in {table.name for table in unattended.client.tables()}
    wrong = json.loads((world.tables / "made-up.json").read_text(encoding="utf-8"))
    (tmp_path / "wrong.json").write_text(json.dumps({**wrong, "seed": "none"}), encoding="utf-8")
    page.get_by_role("link", name="A device").click()
    page.locator("#table-file").set_input_files(tmp_path / "wrong.json")
    page.locator("#table-name").fill("wrong")
    page.get_by_role("button", name="Upload").click()
    expect(fault(page, "table-file")).to_contain_text("seed")


def test_owners_are_shown_and_administrators_share(
    unattended: Any, world: Any, visit: Open, picture: Picture
) -> None:
    tokens = unattended.service.store.tokens
    users = {name: tokens.create(name, administrator=name == "root") for name in ("ada", "root")}
    for name, secret in users.items():
        page = visit(unattended.url, "status of 4(01|22)")
        page.get_by_label("Token").fill(secret)
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
        shared = page.locator("#device option", has_text="made-up (shared)")
        expect(shared).to_have_count(1)

        page.get_by_role("link", name="A device").click()
        page.locator("#table-file").set_input_files(world.tables / "made-up.json")
        if name == "root":
            page.get_by_label("Share with everyone").check()
            page.locator("#table-name").fill("everybodys")
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_role("status")).to_contain_text("Searches can use it now.")
        expect(page.get_by_label("Share with everyone")).to_be_visible(visible=name == "root")
        page.get_by_role("button", name="Search with it").click()
        chosen = "made-up" if name == "ada" else "everybodys"
        expect(page.locator("#device")).to_have_value(chosen)
        picture(page, f"owners-{name}")

    texts = page.locator("#device option").all_text_contents()
    assert "everybodys (shared)" in texts
    assert "ada/made-up" in texts


def test_a_table_is_adapted_from_measured_networks(
    unattended: Any, visit: Open, picture: Picture, tmp_path: Path
) -> None:
    page = visit(f"{unattended.url}/#/add/table", REFUSED)
    page.get_by_role("link", name="adapt a table").click()
    expect(page.get_by_role("heading", name="Adapt a device")).to_be_visible()
    page.get_by_role("button", name="Download the networks").click()
    expect(fault(page, "adapt-sources")).to_have_text("enter a value")
    page.get_by_label("Known devices").select_option("made-up")
    page.locator("#adapt-networks").fill("5")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the networks").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)

    content = json.loads(path.read_text(encoding="utf-8"))
    assert len(content["measured"]) == 5
    latency_file = page.locator("#adapt-file")
    latency_file.set_input_files(path)
    expect(fault(page, "adapt-file")).to_contain_text("5 of 5 networks have no latency_ms")
    space = spaces.get(SPACE)
    for entry in content["measured"]:
        architecture = space.architecture(entry["architecture"]["choices"])
        entry["latency_ms"] = 1 + space.macs(architecture) / 1e6
    path.write_text(json.dumps(content), encoding="utf-8")
    latency_file.set_input_files(path)
    expect(page.locator("#adapt-file-hint")).to_have_text("5 networks")
    page.locator("#adapt-device").fill("my board")
    page.locator("#adapt-name").fill("my-board")
    page.get_by_role("button", name="Adapt", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Adapted my-board.")
    picture(page, "table-adapted")
    assert find_violations(page, "add adaptation") == []
    page.get_by_role("button", name="Search with it").click()
    expect(page.locator("#device")).to_have_value("my-board")
