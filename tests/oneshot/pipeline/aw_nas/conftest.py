"""Example configurations of aw_nas."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def examples(reference_data: Path) -> Path:
    """The folder of aw_nas's example configurations."""
    folder = reference_data / "aw_nas" / "examples"
    if not folder.is_dir():
        pytest.skip(f"no configurations of aw_nas at {folder}")
    return folder
