"""The tables that were measured by this code and come with it."""

from pathlib import Path

import pytest

import spaces
import tables
from tables import LookupTable

FILES = sorted((Path(tables.__file__).parent / "data").glob("*.json"))


def test_the_four_spaces_are_there() -> None:
    found = {LookupTable.read(path).space for path in FILES}
    assert {"spos", "proxylessnas", "ofa-mobilenetv3", "nasbench-macro"} <= found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_estimates_its_space(path: Path) -> None:
    table = LookupTable.read(path)
    space = spaces.get(table.space)
    assert table.name == path.stem
    assert "/" not in (table.command or "").replace("tables/data/", "")
    assert set(space.all_blocks) == set(table.blocks)
    assert table.measured.standard_error < 0.05
    model = table.cost_model(space)
    least, greatest = model.bounds()
    assert 0 < least.value < greatest.value
    assert model.sigma is not None
    assert model.sigma < 0.06 * table.measured.reference_ms


def test_they_are_found_by_name() -> None:
    for path in FILES:
        assert tables.load(path.stem) == LookupTable.read(path)
