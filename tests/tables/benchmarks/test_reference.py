"""The published results: their known figures come out."""

from pathlib import Path

import numpy as np
import pytest

import spaces
import tables
from spaces.cells.graph_hash import graph_hashes
from spaces.formats import nasbench201 as strings
from tables.benchmarks import compact
from tables.benchmarks.errors import NotInBenchmark
from tables.benchmarks.importing import import_benchmark

pytestmark = pytest.mark.reference_data


def test_nasbench201_has_its_best_cell_and_its_devices(known: Path) -> None:
    found = tables.benchmark("nasbench201")
    assert len(found) == 15625
    best, accuracy = found.best("cifar10_test_acc")
    assert accuracy == pytest.approx(94.373, abs=1e-3)
    assert best == spaces.published("nasbench201-best-cifar10")
    assert int((found.values("cifar10_test_acc") >= 94.3).sum()) == 6
    assert found.epochs("cifar10_valid_acc") == (12, 200)
    assert len([name for name in found.metrics if name.startswith("latency_ms@")]) == 9
    assert len(found.distinct()) == 5390
    # The cell with the index 0, as HW-NAS-Bench's guide prints it.
    first = strings.parse_cell(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    cell = found.space.architecture({strings.edge_key(*edge): name for edge, name in first.items()})
    assert found.query(cell, "latency_ms@raspi4") == pytest.approx(10.48198, abs=1e-5)
    assert found.query(cell, "latency_ms@fpga") == pytest.approx(2.57296, abs=1e-5)


def test_every_cell_of_nasbench201_is_found_in_any_order(known: Path) -> None:
    found = tables.benchmark("nasbench201")
    order = np.random.default_rng(0).permutation(len(found))
    assert np.array_equal(
        found.query(found.codes()[order], "cifar10_test_acc"),
        found.values("cifar10_test_acc")[order],
    )
    everything = next(iter(found.space.enumerate_codes()))
    assert np.isfinite(found.query(everything)).all()


def test_nasbench_macro_has_copies_that_agree_and_its_own_counts(known: Path) -> None:
    found = tables.benchmark("nasbench-macro")
    assert (len(found), len(found.distinct())) == (6561, 3969)
    assert found.best()[1] == pytest.approx(93.127, abs=1e-3)
    assert np.array_equal(found.space.macs(found.codes()), found.values("macs"))
    assert np.array_equal(found.space.params(found.codes()), found.values("params"))
    values = found.values()
    means = np.bincount(found.classes, values) / np.bincount(found.classes)
    assert np.abs(values - means[found.classes]).max() < 1e-9


def test_nasbench101_is_found_under_other_labellings(known: Path) -> None:
    found = tables.benchmark("nasbench101")
    assert len(found) == len(found.distinct()) == 30001
    assert found.epochs("cifar10_valid_acc") == (4, 12, 36, 108)
    rows = np.random.default_rng(0).permutation(len(found))[:200]
    codes = found.codes()[rows]
    exchanged = np.array([swapped for row in codes if (swapped := exchange(row)) is not None])
    assert len(exchanged) > 20
    same = [name.decode() for name in np.array(graph_hashes(exchanged), dtype="S32")]
    names = {name: row for row, name in zip(rows, graph_hashes(codes), strict=True)}
    expected = found.values()[[names[name] for name in same]]
    assert np.array_equal(found.query(exchanged), expected)
    with pytest.raises(NotInBenchmark, match="are not among the 30001 of nasbench101"):
        found.query(found.space.sample(np.random.default_rng(0), 50))


def exchange(row: np.ndarray) -> np.ndarray | None:
    """The cell with two neighbouring inner vertices that no edge joins exchanged; None where there
    are none.
    """
    from spaces.cells.nasbench101 import EDGES, Cells

    space = spaces.get("nasbench101")
    cells = Cells.from_codes(row[None])
    for first in range(1, 5):
        if (
            cells.live[0, first]
            and cells.live[0, first + 1]
            and not cells.adjacency[0, first, first + 1]
        ):
            order = list(range(7))
            order[first], order[first + 1] = first + 1, first
            matrix = cells.adjacency[0][np.ix_(order, order)]
            operations = row[[len(EDGES) + vertex - 1 for vertex in order[1:-1]]]
            bits = [int(matrix[edge]) for edge in EDGES]
            swapped = space.check(np.array([[*bits, *operations]]))[0]
            return None if np.array_equal(swapped, row) else swapped
    return None


def test_a_compact_file_of_the_macro_release_tells_the_same(known: Path, tmp_path: Path) -> None:
    source = known / "nasbench_macro" / "nas-bench-macro_cifar10.json"
    import_benchmark("nasbench-macro", source, tmp_path / "nasbench-macro.npz", command="by hand")
    direct, made = tables.benchmark("nasbench-macro"), tables.benchmark("nasbench-macro", tmp_path)
    assert np.array_equal(direct.codes(), made.codes())
    for metric in direct.metrics:
        assert np.array_equal(direct.values(metric), made.values(metric))
    assert compact.read(tmp_path / "nasbench-macro.npz", "nasbench-macro").space == "nasbench-macro"
