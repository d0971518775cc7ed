"""Checks that the six top-level packages are Pathfit's: `tables` is also PyTables' name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from spaces.errors import PathfitError

PACKAGES = ("spaces", "tables", "profiler", "predictor", "oneshot", "service")


class NameClash(PathfitError):
    """Another distribution stands where one of Pathfit's packages should."""


def check() -> None:
    """Raise NameClash where a package of ours is missing or not ours, naming who owns it."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None else None
        if origin is None:
            found = (
                "is missing"
                if spec is None
                else f"is the plain folder {next(iter(spec.submodule_search_locations or []))}"
            )
            raise NameClash(
                f"Pathfit's package {name!r} {found}; install Pathfit again in a separate"
                " environment (python -m venv)"
            )
        if not _ours(name, Path(origin)):
            raise NameClash(
                f"the package {name!r} at {Path(origin).parent} belongs to {_owner(name)}, not to"
                " Pathfit; install Pathfit in a separate environment (python -m venv)"
            )


def _ours(name: str, origin: Path) -> bool:
    # Reading the first line costs less than importing a stranger's package.
    try:
        with open(origin, encoding="utf-8") as file:
            return file.readline().startswith(f'"""Pathfit {name}:')
    except (OSError, UnicodeDecodeError):
        return False


def _owner(name: str) -> str:
    from importlib.metadata import packages_distributions

    # A folder that is on the path twice names its distributions twice.
    owners = [
        owner
        for owner in dict.fromkeys(packages_distributions().get(name, []))
        if owner.lower() != "pathfit"
    ]
    return (
        " and ".join(f"the distribution {owner!r}" for owner in owners)
        or "something that is not a distribution"
    )
