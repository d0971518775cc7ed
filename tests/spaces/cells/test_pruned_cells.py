"""What runtimes execute of NAS-Bench-201's cells, counted and by running ONNX models."""

import numpy as np
import onnx
import pytest

import spaces
from profiler.backends.base import Conditions, executed_space
from profiler.backends.onnx_model import session_options
from profiler.backends.onnx_networks import OnnxNetworks
from profiler.backends.registry import make_backend
from spaces.cells.nasbench201 import OPERATIONS, live_edges
from spaces.cells.pruned_cells import pruned_cells
from spaces.errors import NotAdditive
from spaces.space import SearchSpace
from tables.cost.model import CostModel
from tables.cost.sums import block_sums


def test_convolutions_of_live_edges_are_executed() -> None:
    codes = spaces.get("nasbench201").sample(np.random.default_rng(0), 500)
    cells = pruned_cells(codes)
    assert ((cells.codes > 0) == live_edges(codes)).all()
    # Fewer pools and additions than edges ask for, where several ask for the same.
    pooled = (cells.codes == OPERATIONS.index("avg_pool_3x3")).sum(1)
    assert (cells.pools <= pooled).all()
    assert (cells.pools < pooled).any()


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


SHARED = [
    # Node 1 is the input, which is pooled once for two edges.
    [1, 4, 2, 3, 4, 1],
    # The output begins with the sum that node 2 is.
    [4, 4, 4, 4, 4, 1],
    # Two constants are added to a pool, but one where they precede it.
    [0, 0, 2, 4, 4, 4],
    [0, 2, 0, 4, 4, 2],
    # Node 2 is the input and a constant, and no copy of the input.
    [0, 1, 1, 4, 4, 4],
]


def test_counts_are_those_of_onnxruntime() -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    pruned = space.pruned()
    for row in [*space.sample(np.random.default_rng(3), 20), *np.array(SHARED)]:
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
        assert executed.get("Add", 0) == numbers["addition"] + numbers["constant_addition"] + 2


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
