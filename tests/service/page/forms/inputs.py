"""What is put into the page's forms, and what they answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

import spaces

SPACE = "spos-tiny"
REFUSED = r"status of 4(09|22)"
Open = Callable[..., Page]
Picture = Callable[[Page, str], None]


def evaluations(path: Path, count: int) -> Path:
    """Evaluations of networks, better the more they compute."""
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 2 * count), axis=0)[:count]
    rows = zip(space.decode(codes), np.log(space.macs(codes)).tolist(), strict=True)
    lines = (
        json.dumps(
            {
                "architecture": found.to_dict(),
                "metrics": {"top1": value, "cross_entropy": 20 - value},
            }
        )
        for found, value in rows
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def fault(page: Page, field: str) -> Any:
    """Return the element with what is wrong with a field."""
    return page.locator(f"#{field}-fault")
