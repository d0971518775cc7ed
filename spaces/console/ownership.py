"""Check that the six top-level packages are Pathfit's: PyTables has a package `tables` too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from spaces.errors import PathfitError

PACKAGES = ("spaces", "tables", "profiler", "predictor", "oneshot", "service")


class NameClash(PathfitError):
    """Another distribution has the name of one of Pathfit's packages."""


def check() -> None:
    """Raise NameClash where one of Pathfit's packages is missing or belongs to someone else."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None else None
        if origin is None:
            fault = "is missing"

            # A folder without __init__.py has a specification, but no origin.
            if spec is not None:
                fault = f"is the plain folder {next(iter(spec.submodule_search_locations or []))}"
            raise NameClash(
                f"Pathfit's package {name!r} {fault}; install Pathfit again in a separate"
                " environment (python -m venv)"
            )
        if not _is_pathfit(name, Path(origin)):
            raise NameClash(
                f"the package {name!r} at {Path(origin).parent} belongs to {_owner(name)}, not to"
                " Pathfit; install Pathfit in a separate environment (python -m venv)"
            )


def _is_pathfit(name: str, origin: Path) -> bool:
    # Reading the first line costs less than importing the package, and runs no code.
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
