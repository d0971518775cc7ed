"""What runtimes execute of NAS-Bench-201's cells, counted and by running ONNX models."""

import numpy as np
import onnx
import pytest

import spaces
from profiler.backends.base import Conditions, executed_space
from profiler.backends.onnx_model import session_options
from profiler.backends.onnx_networks import OnnxNetworks
from profiler.backends.registry import make_backend
from spaces.cells.nasbench201 import EDGES, OPERATIONS, live_edges, pruned_cells
from spaces.errors import NotAdditive
from spaces.space import SearchSpace
from tables.cost.model import CostModel
from tables.cost.sums import block_sums


def executed_by_hand(cell: tuple[int, ...]) -> tuple[int, int, int]:
    """Pools, additions of executed edges, and additions of constants of one cell, by recursion."""
    operations = dict(zip(EDGES, (OPERATIONS[code] for code in cell), strict=True))

    def is_zero(node: int) -> bool:
        return node > 0 and all(
            operations[source, node] == "none" or is_zero(source) for source in range(node)
        )

    def is_used(node: int) -> bool:
        return node == 3 or any(
            operations[node, target] != "none" and is_used(target) for target in range(node + 1, 4)
        )

    pooled = set()
    additions = constants = 0
    for target in (1, 2, 3):
        present = [source for source in range(target) if operations[source, target] != "none"]
        inputs = [source for source in present if not is_zero(source)]
        if not inputs or not is_used(target):
            continue
        additions += len(inputs) - 1
        constants += len(present) > len(inputs)
        pooled |= {source for source in inputs if operations[source, target] == "avg_pool_3x3"}
    return len(pooled), additions, constants


def test_counts_are_those_of_a_recursion() -> None:
    space = spaces.get("nasbench201")
    codes = space.sample(np.random.default_rng(0), 500)

    cells = pruned_cells(codes)

    counts = zip(cells.pools, cells.additions, cells.constants, strict=True)
    expected = [executed_by_hand(tuple(row)) for row in codes.tolist()]
    assert [tuple(map(int, row)) for row in counts] == expected
    assert ((cells.codes > 0) == live_edges(codes)).all()


def test_pruning_again_changes_nothing() -> None:
    codes = spaces.get("nasbench201").sample(np.random.default_rng(1), 300)
    cells = pruned_cells(codes)
    again = pruned_cells(cells.codes)
    assert (again.codes == cells.codes).all()
    assert (again.additions == cells.additions).all()
    # What follows from zeros is gone.
    assert not again.constants.any()


def optimised_operators(space: SearchSpace, row: np.ndarray) -> dict[str, int]:
    """Operators that onnxruntime executes, with all its optimisations that keep names."""
    import onnxruntime

    proto, _ = OnnxNetworks().network(space, space.architecture(row))
    options = session_options(1)
    # Later levels merge additions into convolutions.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return _optimised(options, proto)


def _optimised(options: object, proto: bytes) -> dict[str, int]:
    import tempfile
    from pathlib import Path

    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(file)  # type: ignore[attr-defined]
        onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
        kinds = [node.op_type for node in onnx.load(file).graph.node]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def test_counts_are_those_of_onnxruntime() -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    pruned = space.pruned()
    for row in space.sample(np.random.default_rng(3), 6):
        keys, (counts,) = pruned.block_counts(row[None])
        blocks = [pruned.all_blocks[key] for key in keys]
        numbers = {
            kind: sum(
                int(count)
                for block, count in zip(blocks, counts, strict=True)
                if block.operator == kind
            )
            for kind in ("relu_conv", "avg_pool", "addition", "constant_addition")
        }

        executed = optimised_operators(space, row)

        # A stem, and two residual blocks of three convolutions, one pool and one addition each.
        assert executed.get("Conv", 0) == numbers["relu_conv"] + 7
        assert executed.get("AveragePool", 0) == numbers["avg_pool"] + 2
        assert executed.get("Add", 0) >= numbers["addition"] + numbers["constant_addition"] + 2


@pytest.mark.parametrize("row", [[0, 0, 0, 0, 0, 0], [0, 3, 1, 0, 1, 0]])
def test_nothing_of_a_network_without_a_path_is_executed(row: list[int]) -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    codes = np.array([row])

    _, (counts,) = space.pruned().block_counts(codes)

    assert (counts == 0).all()
    assert set(optimised_operators(space, codes[0])) <= {"Constant", "Identity"}


def test_space_has_the_same_networks_but_other_costs() -> None:
    space = spaces.get("nasbench201")
    pruned = space.pruned()
    codes = space.sample(np.random.default_rng(0), 5)

    assert pruned.pruned() is pruned
    assert pruned.name == space.name
    assert (pruned.macs(codes) == space.macs(codes)).all()
    assert set(space.all_blocks) < set(pruned.all_blocks)

    model = CostModel(pruned, "latency_ms", block_sums(pruned, lambda block: 1.0), 0.0)
    # A dead convolution, a skip and a pool of zeros: the fifteen cells each add a constant.
    cell = ["nor_conv_3x3", "none", "none", "skip_connect", "none", "avg_pool_3x3"]
    codes = np.array([[OPERATIONS.index(operation) for operation in cell]])
    assert model.estimate(codes)[0] == len(space.fixed_blocks) + 15
    with pytest.raises(NotAdditive):
        model.expected([])


def test_only_runtimes_that_prune_have_the_pruned_space() -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    onnxruntime = make_backend("onnxruntime", Conditions("cpu"))
    torch = make_backend("torch", Conditions("cpu"))
    assert executed_space(space, torch) is space
    assert executed_space(space, onnxruntime) is not space
    chain = spaces.get("spos-tiny")
    assert executed_space(chain, onnxruntime) is chain
