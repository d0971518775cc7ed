"""docs/design.md names the rooms of the house as it is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("spaces", "tables", "profiler", "predictor", "oneshot", "service")

# The page describes the rooms of commands, which every package has, in a sentence.
COMMANDS = "commands"


def rooms(package: str) -> set[str]:
    """The packages directly below a package."""
    return {f"{package}/{file.parent.name}" for file in (ROOT / package).glob("*/__init__.py")}


def named_paths() -> set[str]:
    """The paths below the packages that the page names."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    return set(re.findall(rf"`((?:{'|'.join(PACKAGES)})/\w+)`", text))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_described(package: str) -> None:
    missing = rooms(package) - named_paths() - {f"{package}/{COMMANDS}"}

    assert missing == set()


def test_every_path_exists() -> None:
    """Rooms, and modules, which the ways through the house name without their ending."""
    paths = {path: ROOT / path for path in named_paths()}
    missing = [
        path
        for path, file in paths.items()
        if not file.is_dir() and not file.with_suffix(".py").is_file()
    ]

    assert missing == []
