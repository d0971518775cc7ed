"""Forms on a phone, and the names of their controls."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.service.page.forms.inputs import REFUSED, Open, Picture, evaluations


@pytest.mark.parametrize("what", ["table", "evaluations", "predictor", "pipeline"])
def test_forms_are_readable_on_a_phone_and_every_control_has_a_name(
    unattended: Any, visit: Open, tmp_path: Path, what: str, picture: Picture
) -> None:
    lines = evaluations(tmp_path / "mine.jsonl", 15).read_text(encoding="utf-8").splitlines()
    unattended.client.upload_evaluations(
        "a-name-that-is-rather-long-for-a-phone", list(map(json.loads, lines))
    )
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = visit(f"{unattended.url}/#/add/{what}", REFUSED, **phone)
    expect(page.locator("#result form")).to_be_visible()
    for summary in page.locator("#result summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for control in page.locator("#result input, #result select, #result textarea").all():
        assert control.evaluate(
            "(field) => field.labels.length === 1 && field.labels[0].innerText.trim() !== ''"
        )
    picture(page, f"phone-{what}")
