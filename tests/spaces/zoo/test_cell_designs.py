"""Cells of other designs than DARTS' own: ENAS, dense cells, other operations and reductions."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

import spaces
from oneshot.mutators.mutator import FixedArchitecture
from spaces import formats
from spaces.cells.darts_design import CellDesign
from spaces.errors import InvalidArchitecture, InvalidParameter
from spaces.formats.genotype import parse_genotype
from spaces.zoo.darts_space import DartsSpace

SMALL = {"channels": 4, "input_size": 16, "layers": 4, "stem_multiplier": 1}

DESIGNS: dict[str, dict[str, Any]] = {
    "enas": {
        "primitives": ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3"),
        "steps": 5,
        "repeated_inputs": True,
    },
    "dense": {"primitives": ("none", "nor_conv_1x1", "sep_conv_7x7"), "steps": 3, "inputs": 4},
    "several": {
        "primitives": ("nor_conv_3x3", "none"),
        "steps": 2,
        "inputs": 3,
        "repeated_inputs": True,
    },
    "reductions": {"reductions": (1,), "steps": 1},
}


@pytest.fixture(params=DESIGNS)
def space(request: pytest.FixtureRequest) -> DartsSpace:
    """A small space of each design."""
    made = spaces.get("darts", **SMALL, **DESIGNS[request.param])
    assert isinstance(made, DartsSpace)
    return made


def test_networks_count_as_their_space_does(space: DartsSpace) -> None:
    for codes in space.sample(np.random.default_rng(0), 3):
        architecture = space.architecture(codes)
        network = space.network(architecture).eval()
        assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, *space.input_shape))
        assert counter.get_total_flops() == 2 * space.macs(architecture)


def test_supernets_compute_what_the_edges_do(space: DartsSpace) -> None:
    supernet = space.supernet(3).eval()
    model = space.search_model(supernet).eval()
    x = torch.randn(2, *space.input_shape, generator=torch.Generator().manual_seed(0))
    edges = {
        f"{kind}_{node}_{source}"
        for kind, node in itertools.product(("normal", "reduce"), range(space.design.nodes))
        for source in range(node + 2)
    }
    none = "none" in space.design.operations
    for codes in space.sample(np.random.default_rng(1), 20):
        choices = space.architecture(codes).choices
        taken = dict(operations_of(choices, space.design))
        # Without `none` only dense cells have an operation on each edge.
        if len(taken) < len(edges) and not none:
            continue
        if has_repeated(choices):
            continue

        supernet.activate(codes)
        mutator = FixedArchitecture(model, {edge: taken.get(edge, "none") for edge in edges})
        torch.testing.assert_close(model(x), supernet(x), rtol=1e-4, atol=1e-5)
        mutator.unbind()


def operations_of(choices: Any, design: CellDesign) -> list[tuple[str, str]]:
    """Return the edges of an architecture with their operations."""
    return [
        (f"{kind}_{node}_{source}", choices[f"{kind}_{node}_op_{slot}"])
        for kind, node in itertools.product(("normal", "reduce"), range(design.nodes))
        for slot, source in enumerate(choices[f"{kind}_{node}_inputs"].split("+"))
    ]


def has_repeated(choices: Any) -> bool:
    """Return whether a node reads one input twice."""
    inputs = [value.split("+") for key, value in choices.items() if key.endswith("inputs")]
    return any(len({*sources}) < len(sources) for sources in inputs)


def test_the_size_of_a_space_is_the_number_of_its_cells() -> None:
    enas = spaces.get("enas")
    # Pairs of n inputs with repetition are n (n + 1) / 2; each has two of five operations.
    pairs = [n * (n + 1) // 2 for n in range(2, 7)]
    assert enas.size == (np.prod([pair * 5**2 for pair in pairs], dtype=object)) ** 2

    dense = spaces.get("darts", steps=3, inputs=4)
    assert dense.size == (8 ** (2 + 3 + 4)) ** 2


def test_each_reduction_halves_the_image() -> None:
    space = spaces.get("darts", input_size=32, layers=6, channels=4, reductions=(2, 3, 5))
    assert isinstance(space, DartsSpace)
    last = space.blocks(space.sample(np.random.default_rng(0)))[-1]
    assert last.operator == "linear"
    # Four nodes of 4 * 2**3 channels.
    assert last.input == (4 * 32, 4, 4)


def test_an_input_that_is_read_three_times_has_one_order_of_operations() -> None:
    space = spaces.get("darts", steps=2, inputs=3, repeated_inputs=True)
    choices = dict(space.architecture(space.sample(np.random.default_rng(0), 1)[0]).choices)
    choices["normal_1_inputs"] = "0+2+2"
    orders = []
    for first, second in (("skip_connect", "avg_pool_3x3"), ("avg_pool_3x3", "skip_connect")):
        choices |= {"normal_1_op_1": first, "normal_1_op_2": second}
        orders.append(space.architecture(choices))
    other = space.architecture({**choices, "normal_1_inputs": "0+1+2"})

    keys = space.isomorphism_keys(space.encode([*orders, other]))

    assert (keys[0] == keys[1]).all()
    assert not (keys[0] == keys[2]).all()


def test_graphs_have_the_operations_that_carry_information() -> None:
    space = spaces.get(
        "darts", steps=1, inputs=2, primitives=("sep_conv_3x3", "none", "nor_conv_1x1")
    )
    choices = {
        "normal_0_inputs": "0+1",
        "normal_0_op_0": "nor_conv_1x1",
        "normal_0_op_1": "none",
        "reduce_0_inputs": "0+1",
        "reduce_0_op_0": "sep_conv_3x3",
        "reduce_0_op_1": "sep_conv_3x3",
    }
    assert space.operations == ["sep_conv_3x3", "nor_conv_1x1", "output"]
    graph = space.graph(space.architecture(choices))
    assert graph.operation.tolist() == [0, 0, 2, 3, 0, 0, 1, 1, 3]
    assert graph.position.tolist() == [0, 7, 1, 3, 0, 7, 4, 5, 6]
    assert int(graph.position.max()) <= space.positions


def test_a_search_derives_architectures_of_its_design() -> None:
    enas = spaces.get("enas")
    search = enas.search_space
    assert search.name.startswith("darts-search(")
    generator = torch.Generator().manual_seed(0)
    rows = {
        f"{kind}_{node}_{source}": torch.rand(5, generator=generator)
        for kind, node in itertools.product(("normal", "reduce"), range(5))
        for source in range(node + 2)
    }

    found = search.derive(rows)

    assert found.space == "enas"
    for node in range(5):
        best = [float(rows[f"normal_{node}_{source}"].max()) for source in range(node + 2)]
        chosen = {int(source) for source in found[f"normal_{node}_inputs"].split("+")}
        assert chosen == {*sorted(range(node + 2), key=lambda source: -best[source])[:2]}


def test_a_search_with_chosen_reductions_has_them() -> None:
    space = spaces.get("darts", layers=10, channels=16, reductions=(4,))
    search = space.search_space
    assert "layers=10" in search.name
    assert "reductions=(4,)" in search.name
    assert spaces.get("darts").search_space.name == "darts-search"


# Genotypes


def files(reference_data: Path) -> list[Path]:
    """Return aw_nas' files of derived genotypes."""
    return sorted((reference_data / "aw_nas" / "examples" / "mloss").glob("*/*genotypes.yaml"))


def edges_of(text: str) -> list[list[tuple[str, int]]]:
    """Return the sorted operations and inputs of each node of a genotype."""
    genotype = parse_genotype(text)
    return [
        sorted((edge.operation, edge.source) for edge in node)
        for node in (*genotype.normal, *genotype.reduce)
    ]


def test_every_derived_genotype_of_aw_nas_is_read_and_written(reference_data: Path) -> None:
    paths = files(reference_data)
    counts = {}
    for path in paths:
        texts = re.findall(r"CNNGenotype\(.*?\n(?=\n|\Z)", path.read_text() + "\n", re.DOTALL)
        architectures = formats.read_architectures(path)
        assert len(architectures) == len(texts)
        for architecture, text in zip(architectures, texts, strict=True):
            written = formats.write(architecture, "aw-nas")
            assert edges_of(written) == edges_of(" ".join(text.split()))
            assert formats.read(written, "aw-nas") == architecture
        counts[path.parent.name] = len(architectures), {each.space for each in architectures}

    assert counts["enas"] == (20, {"enas"})
    assert {name: number for name, (number, _) in counts.items()} == {
        "darts": 10,
        "enas": 20,
        "pcdarts": 8,
        "snas": 10,
    }


@pytest.mark.parametrize(
    ("method", "params", "flops"),
    [
        ("enas", 4.20, 1303),
        ("darts", 2.81, 892),
        ("snas", 3.18, 1029),
        ("pcdarts", 4.26, 1343),
    ],
)
def test_final_networks_have_the_size_of_aw_nas_table(
    method: str, params: float, flops: int, reference_data: Path
) -> None:
    """Its table has millions, cut or rounded, without the auxiliary head; FLOPs are 2 x MACs."""
    folder = reference_data / "aw_nas" / "examples" / "mloss" / method
    final = yaml.safe_load((folder / f"{method}_final.yaml").read_text())
    architecture = formats.read(final["final_model_cfg"]["genotypes"], "aw-nas")
    space = spaces.get(architecture.space)
    assert space.params(architecture) / 1e6 == pytest.approx(params, abs=0.01)
    assert 2 * space.macs(architecture) / 1e6 == pytest.approx(flops, abs=1)


def test_a_cell_of_nasbench201_in_a_list_of_aw_nas_is_read(tmp_path: Path) -> None:
    text = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|nor_conv_3x3~1|skip_connect~2|"
    path = tmp_path / "derived.yaml"
    path.write_text(
        f"# ---- Arch 0 (Reward 0.9) ----\n- '{text}'\n\n# ---- Arch 1 ----\n- '{text}'\n"
    )
    architectures = formats.read_architectures(path)
    assert [formats.write(each, "nasbench201") for each in architectures] == [text, text]


def test_an_unreadable_genotype_of_a_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "derived.yaml"
    good = formats.write(spaces.get("enas").sample(np.random.default_rng(0)), "aw-nas")
    path.write_text(f"- {good}\n- {good.replace('skip_connect', 'jump', 1)}\n")
    with pytest.raises(InvalidArchitecture, match=r"derived.yaml, architecture 2: .*'jump'"):
        formats.read_architectures(path)


def test_dense_genotypes_are_written_for_aw_nas_alone() -> None:
    space = spaces.get("darts", steps=3, inputs=4)
    architecture = space.sample(np.random.default_rng(0))
    text = formats.write(architecture, "aw-nas")
    assert formats.read(text) == architecture
    with pytest.raises(InvalidArchitecture, match=r"2 inputs a node, unlike .*; aw-nas writes any"):
        formats.write(architecture, "darts")


# Bad input


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"primitives": ("sep_conv_4x4",)}, "unknown operation 'sep_conv_4x4'"),
        ({"primitives": ("none",)}, "other than 'none'"),
        ({"primitives": ("skip_connect", "skip_connect")}, "'skip_connect' occurs twice"),
        ({"steps": 13}, r"steps must be 1 \.\.\. 12, not 13"),
        ({"reductions": (2, 1)}, r"some of the positions 1 \.\.\. 19 in ascending order"),
        ({"reductions": (25,)}, r"not \(25,\)"),
        ({"reductions": (1, 2, 3), "input_size": 12}, "multiple of 8, not 12"),
        ({"inputs": 0}, "inputs must be positive"),
    ],
)
def test_invalid_designs_are_refused(parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        spaces.get("darts", **parameters)
