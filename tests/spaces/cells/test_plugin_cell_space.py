"""A cell space of a plug-in is served as NAS-Bench-201 is, by its capabilities alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import spaces
from oneshot.algorithms.architecture import Setting
from oneshot.algorithms.cells import derived, searchable, setting_space
from oneshot.algorithms.registry import make, preset
from oneshot.data.digits import load as load_digits
from oneshot.data.request import DataRequest
from oneshot.training import fit
from oneshot.training.recipe import Recipe
from predictor.encoders.gates import GatesEncoder
from predictor.encoders.information_flow import EdgeFlow
from predictor.ensemble.fitting import Fitting
from predictor.ensemble.predictor import GraphPredictor
from spaces import registry
from spaces.cells.edge_cells import edge_cell_graphs, live_edges
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.modules.initialisers import torch_initialiser
from spaces.space import Codes
from spaces.testing import SpaceContract
from tables.benchmarks import classes
from tables.lookup_table import BlockCost, LookupTable

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.graphs.relaxed import RelaxedGraphs
    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet

EDGES = ((0, 1), (0, 2), (1, 2))
OPERATIONS = ("none", "skip", "conv")
SHAPE = (4, 8, 8)


class TriangleSpace(CellSpace, spaces.AdditiveSpace):
    """One cell of three nodes, with an operation on each of its edges."""

    operations_on_edges = True

    def __init__(self, name: str):
        self._stem = spaces.Block("conv", (3, 8, 8), SHAPE, 3, stride=1)
        self._conv = spaces.Block("relu_conv", SHAPE, SHAPE, 3, stride=1)
        candidates = {"none": (), "skip": (), "conv": (self._conv,)}
        layers = [
            spaces.ChoiceLayer(f"edge_{source}_{target}", candidates) for source, target in EDGES
        ]
        super().__init__(  # type: ignore[call-arg]
            name,
            [self._stem, self._classifier(10)],  # type: ignore[arg-type]
            layers,  # type: ignore[arg-type]
            (3, 8, 8),  # type: ignore[arg-type]
            10,
        )

    def _classifier(self, num_classes: int) -> spaces.Block:
        return spaces.Block("linear", SHAPE, (num_classes,), activation="relu")

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        plan = Plan(self.input_shape)
        nodes = [plan.apply("stem", self._stem, 0)]
        for target in (1, 2):
            terms = []
            for choice, code, edge in zip(self.choices, codes, EDGES, strict=True):
                if edge[1] == target and OPERATIONS[code] == "conv":
                    place = f"stage_0/cell_0/{choice.key}/conv"
                    terms.append(plan.apply(place, self._conv, nodes[edge[0]]))
                elif edge[1] == target and OPERATIONS[code] == "skip":
                    terms.append(nodes[edge[0]])
            nodes.append(plan.add(terms, SHAPE))
        plan.apply("classifier", self._classifier(num_classes or self.num_classes), nodes[-1])
        return plan

    def places(self, num_classes: int | None = None) -> Mapping[str, spaces.Block]:
        plan = self.plan(np.full(3, OPERATIONS.index("conv")), num_classes)
        return {step.name: step.block for step in plan.applied}

    def initialiser(self) -> Initialiser:
        return torch_initialiser

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        return np.where(live_edges(codes != 0, EDGES), codes, 0)

    @property
    def operations(self) -> list[str]:
        return [*OPERATIONS[1:], "output"]

    @property
    def positions(self) -> int:
        return len(EDGES) + 1

    def _graphs(self, codes: Codes) -> Batch:
        return edge_cell_graphs(codes, live_edges(codes != 0, EDGES), EDGES, len(self.operations))

    def relaxed_graphs(self, probabilities: Sequence[torch.Tensor]) -> RelaxedGraphs:
        from spaces.graphs.relaxed import relaxed_edge_cells

        return relaxed_edge_cells(probabilities, EDGES, len(self.operations))

    def search_model(self, supernet: Supernet) -> torch.nn.Module:
        from spaces.modules.edge_choices import StagedEdges

        return StagedEdges(cast("CellSupernet", supernet), EDGES)


@pytest.fixture(scope="module", autouse=True)
def triangle() -> Iterator[TriangleSpace]:
    """The space, registered for this module alone."""
    with registry.SPACES.preserved():

        @spaces.register_space("triangle")
        def build(name: str, /) -> spaces.SearchSpace:
            return TriangleSpace(name)

        yield cast(TriangleSpace, spaces.get("triangle"))


class TestContract(SpaceContract):
    """The space keeps the contract of all spaces."""

    samples, builds = 20, 2

    def space(self) -> spaces.SearchSpace:
        return spaces.get("triangle")


def test_isomorphism_classes_join_equal_cells(triangle: TriangleSpace) -> None:
    codes = np.concatenate(list(triangle.enumerate_codes()))

    numbers = classes(triangle, codes)

    # Without a live edge 0-1 or 1-2 the other one has no effect: 4 live pairs or none, times 3.
    assert len(np.unique(numbers)) == (4 + 1) * 3


@pytest.fixture(scope="module")
def gates(triangle: TriangleSpace) -> GraphPredictor:
    """A GATES ensemble that was fitted to the space's multiply-accumulates."""
    codes = np.concatenate(list(triangle.enumerate_codes()))
    model = GraphPredictor(triangle, members=2, fitting=Fitting(epochs=2))
    model.fit(codes, triangle.macs(codes).astype(float))
    return model


def test_gates_puts_operations_on_edges(gates: GraphPredictor) -> None:
    encoder = gates.encoders[0]

    assert isinstance(encoder, GatesEncoder)
    assert encoder.on_edges
    assert all(isinstance(layer, EdgeFlow) for layer in encoder.convs)


def test_gates_scores_relaxed_cells_as_certain_ones(
    triangle: TriangleSpace, gates: GraphPredictor
) -> None:
    codes = np.concatenate(list(triangle.enumerate_codes()))
    one_hot = [
        torch.nn.functional.one_hot(torch.from_numpy(column.astype(np.int64)), 3).float()
        for column in codes.T
    ]

    with torch.inference_mode():
        scores = gates.score_relaxed(one_hot).numpy()

    np.testing.assert_allclose(scores, gates.predict(codes)[0], rtol=1e-3, atol=1e-3)


def test_lookup_table_gives_exact_block_sums(triangle: TriangleSpace) -> None:
    table = LookupTable(
        name="made-up",
        space=triangle.name,
        device={"kind": "cpu", "processor": "made up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={},
        created="2026-01-01T00:00:00+00:00",
        command="tests",
        seed=0,
        measurement=None,
        blocks={
            key: BlockCost(block.macs / 1e6, 0.001, 10, block.macs, block.params)
            for key, block in triangle.all_blocks.items()
        },
        networks=(),
    )
    codes = triangle.sample(np.random.default_rng(0), 8)

    model = table.cost_model(triangle)

    np.testing.assert_allclose(model.estimate(codes), triangle.macs(codes) / 1e6)
    assert model.bounds()[0].architecture.choices["edge_0_1"] in ("none", "skip")


def test_gdas_searches_the_cell_on_digits(triangle: TriangleSpace, tmp_path: Path) -> None:
    images = load_digits(DataRequest("digits", triangle.input_shape, limit=96))
    supernet = triangle.supernet(generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    setting = Setting(
        searchable(supernet),
        Recipe(epochs=1, batch_size=48, learning_rate=0.05),
        images.validation,
        len(images.train),
        space=setting_space(triangle),
    )
    algorithm = make("gdas", setting, preset("gdas", {}).options)

    fit(algorithm, images.train, tmp_path, seed=0)

    architecture = derived(triangle, algorithm)
    assert architecture.space == "triangle"
    assert triangle.network(architecture)(torch.randn(2, 3, 8, 8)).shape == (2, 10)
    assert any(not torch.equal(value, before[key]) for key, value in supernet.state_dict().items())
