"""Spaces of cells with a LayerChoice on each edge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.cells import derived, searchable, setting_space
from oneshot.algorithms.registry import make, preset
from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.mutators.mutator import FixedArchitecture
from oneshot.training import fit
from oneshot.training.recipe import Recipe
from spaces.cells.darts_design import CELLS, NODES, OPERATIONS
from spaces.modules.cells import CellSupernet
from spaces.modules.choices import LayerChoice
from spaces.modules.supernet import Supernet

NASBENCH201 = "nasbench201(cells=1, channels=4, input_size=16)"
DARTS = "darts(channels=4, input_size=16, layers=3, stem_multiplier=1)"


def test_edges_compute_what_the_supernet_does_with_its_own_weights() -> None:
    space = spaces.get(NASBENCH201)
    supernet = space.supernet(3).eval()
    model = searchable(supernet).eval()
    assert isinstance(model, Supernet)
    x = torch.randn(2, 3, 16, 16)
    for row in space.sample(np.random.default_rng(0), 20):
        supernet.activate(row)
        model.activate(row)
        assert torch.equal(model(x), supernet(x))
        assert {id(part) for part in supernet.path()} <= {id(part) for part in model.path()}
    assert {id(weight) for weight in model.parameters()} == {
        id(weight) for weight in supernet.parameters()
    }


def test_cells_share_decisions_under_the_spaces_keys() -> None:
    space = spaces.get("nasbench201(cells=2, channels=4)")
    model = searchable(space.supernet())
    mutator = ArchitectureMutator(model)
    assert list(mutator.groups) == [choice.key for choice in space.choices]
    assert {len(found) for found in mutator.groups.values()} == {6}  # three stages of two cells
    assert mutator.architecture(space).space == space.name
    assert setting_space(space) is space


def edges_of(architecture: spaces.Architecture) -> Iterator[tuple[str, str]]:
    """The edges that an architecture of DARTS has, as keys and operations."""
    chosen = architecture.choices
    for kind in CELLS:
        for node in range(NODES):
            for slot, source in enumerate(chosen[f"{kind}_{node}_inputs"].split("+")):
                yield f"{kind}_{node}_{source}", chosen[f"{kind}_{node}_op_{slot}"]


def test_edges_of_darts_compute_what_the_supernet_does() -> None:
    """Edges that an architecture lacks are `none`."""
    space = spaces.get(DARTS)
    supernet = space.supernet(3).eval()
    model = searchable(supernet).eval()
    assert setting_space(space) is None
    keys = {module.key for module in model.modules() if isinstance(module, LayerChoice)}
    assert len(keys) == 2 * 14
    x = torch.randn(2, 3, 16, 16)
    for row in space.sample(np.random.default_rng(1), 5):
        architecture = space.architecture(row)
        supernet.activate(row)
        taken = dict(edges_of(architecture))
        mutator = FixedArchitecture(model, {key: taken.get(key, "none") for key in keys})
        torch.testing.assert_close(model(x), supernet(x), rtol=1e-4, atol=1e-5)
        mutator.unbind()


def test_the_two_best_inputs_of_a_node_are_read_without_none() -> None:
    space = spaces.get(DARTS)
    generator = torch.Generator().manual_seed(0)
    rows = {
        f"{kind}_{node}_{source}": torch.rand(len(OPERATIONS), generator=generator)
        for kind in CELLS
        for node in range(NODES)
        for source in range(node + 2)
    }
    for row in rows.values():
        row[0] = 2.0  # none, above all others
    found = dict(edges_of(space.derive(rows)))
    assert "none" not in found.values()
    for kind in CELLS:
        for node in range(NODES):
            best = {
                source: float(rows[f"{kind}_{node}_{source}"][1:].max())
                for source in range(node + 2)
            }
            for source in sorted(best, key=lambda each: -best[each])[:2]:
                row = rows[f"{kind}_{node}_{source}"]
                assert found[f"{kind}_{node}_{source}"] == OPERATIONS[1 + int(row[1:].argmax())]


@pytest.mark.parametrize(
    ("name", "space_name"),
    [
        *((name, NASBENCH201) for name in ("darts", "enas", "fairnas", "fbnet", "gdas", "snas")),
        ("gdas", DARTS),
        ("enas", DARTS),
    ],
)
def test_cells_are_searched(
    name: str, space_name: str, images: ImageData, quick: Any, tmp_path: Path
) -> None:
    space = spaces.get(space_name)
    supernet = space.supernet(3)
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    model = searchable(supernet)
    recipe = Recipe(epochs=1, batch_size=48, learning_rate=0.05)
    options = {**quick[name], **({"population": 4, "generations": 0} if name == "fairnas" else {})}
    options |= {"controller_steps": 1, "aggregate": 2, "final_samples": 2} if name == "enas" else {}
    setting = Setting(
        model, recipe, images.validation, len(images.train), space=setting_space(space)
    )
    algorithm = make(name, setting, preset(name, options).options)
    fit(algorithm, images.train, tmp_path, seed=0)
    architecture = derived(space, algorithm)
    assert space.network(architecture, 3)(torch.randn(2, 3, 16, 16)).shape == (2, 3)
    assert any(not torch.equal(value, before[key]) for key, value in supernet.state_dict().items())


def test_cells_of_another_kind_are_refused() -> None:
    supernet = CellSupernet.__new__(CellSupernet)  # without the thousands of modules
    Supernet.__init__(supernet, spaces.get("nasbench101"))
    with pytest.raises(InvalidOption, match="no algorithm searches the cells of nasbench101"):
        searchable(supernet)


def test_other_models_are_searched_as_they_are(tiny: Any) -> None:
    supernet = tiny.supernet()
    assert searchable(supernet) is supernet
