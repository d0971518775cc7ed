"""Uploaded files: errors in their lines, and their list."""

import json
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.service.page.forms.inputs import REFUSED, Open, Picture, evaluations, fault
from tests.service.page.test_accessibility import press_until


def test_files_are_listed_and_deleted_at_the_second_press(
    unattended: Any, visit: Open, picture: Picture, world: Any, tmp_path: Path
) -> None:
    unattended.client.upload_table(world.tables / "made-up.json", "my-phone")
    unattended.client.upload_evaluations("mine", evaluations(tmp_path / "mine.jsonl", 15))
    page = visit(unattended.url, REFUSED)
    page.get_by_role("link", name="Files").click()
    rows = page.locator("#result tbody tr")
    # Files of the service's folders are not for the page to delete.
    expect(rows).to_have_text([re.compile("my-phone"), re.compile("mine")])
    picture(page, "files")
    press_until(page, "Tab", "[aria-label='Delete device my-phone']")
    page.keyboard.press("Enter")
    assert "my-phone" in {table.name for table in unattended.client.tables()}
    page.keyboard.press("Enter")
    expect(rows).to_have_text([re.compile("mine")])
    assert "my-phone" not in {table.name for table in unattended.client.tables()}
    expect(page.locator("#device option", has_text="my-phone")).to_have_count(0)


def test_an_error_in_evaluations_names_its_line(
    unattended: Any, visit: Open, tmp_path: Path
) -> None:
    page = visit(f"{unattended.url}/#/add/evaluations", REFUSED)
    lines = evaluations(tmp_path / "few.jsonl", 12).read_text(encoding="utf-8").splitlines()
    file, upload = page.locator("#evaluations-file"), page.get_by_role("button", name="Upload")
    (tmp_path / "torn.jsonl").write_text("\n".join([*lines, "", lines[0][:40]]), encoding="utf-8")
    file.set_input_files(tmp_path / "torn.jsonl")
    expect(fault(page, "evaluations-file")).to_contain_text("torn.jsonl, line 14 is not JSON")
    other = json.loads(lines[5])
    other["architecture"]["choices"]["layer_1"] = "k9"
    (tmp_path / "other.jsonl").write_text(
        "\n".join(["", *lines[:5], json.dumps(other)]), encoding="utf-8"
    )
    file.set_input_files(tmp_path / "other.jsonl")
    upload.click()
    expect(fault(page, "evaluations-file")).to_have_text(re.compile("^line 7: .*k9"))
    file.set_input_files(tmp_path / "few.jsonl")
    expect(fault(page, "evaluations-file")).to_have_text("")
    upload.click()
    page.get_by_role("link", name="Train a predictor from them").click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(fault(page, "from-evaluations")).to_contain_text(
        "12 evaluations; training on 9 leaves fewer than 5 to test on"
    )
    page.get_by_text("Training options").click()
    page.locator("#predictor-share").fill("0.99")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(fault(page, "predictor-share")).to_have_text("enter at most 0.95")
