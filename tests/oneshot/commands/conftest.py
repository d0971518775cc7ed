"""A trained supernet that tests of the commands share."""

from pathlib import Path

import pytest

from tests.oneshot.commands.running import TINY, done, search


@pytest.fixture(scope="package")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a supernet that was trained for an epoch."""
    folder = tmp_path_factory.mktemp("runs") / "supernet"
    done("train", "--space", TINY, "--epochs", 1, "--threads", 1, "--seed", 3, "-o", folder)
    return folder


@pytest.fixture(scope="package")
def search_result(supernet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a search by the supernet, with the journal of its evaluations next to it."""
    path = tmp_path_factory.mktemp("searches") / "found.json"
    search(supernet, path)
    return path
