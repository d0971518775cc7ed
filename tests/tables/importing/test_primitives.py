"""aw_nas's profiled primitives: means over networks, and a table of a whole space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import spaces
from spaces.block import Block
from tables.errors import InvalidTable, MissingRow
from tables.importing.importer import import_table
from tables.importing.primitives import primitive_key, rows_of_primitives
from tables.importing.rows import read_rows

SPACE = "ofa-mobilenetv3(resolutions=(32,), depths=(1, 2), width=0.25)"
CONDITIONS = {"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1}

BLOCK = {
    "prim_type": "mobilenet_v3_block",
    "spatial_size": 56,
    "C": 24,
    "C_out": 40,
    "stride": 2,
    "affine": True,
    "kernel_size": 5,
    "expansion": 3,
    "activation": "h_swish",
    "use_se": True,
}


def primitive(latency: float, **changes: Any) -> dict[str, Any]:
    return {**BLOCK, **changes, "performances": {"latency": latency}}


def network(*primitives: dict[str, Any]) -> dict[str, Any]:
    return {"overall_latency": 1.0, "primitives": list(primitives)}


def test_latency_is_the_mean_over_networks() -> None:
    networks = [network(primitive(1.0), primitive(5.0, stride=1)), [network(primitive(3.0))]]
    rows = {row.key: row for row in rows_of_primitives(networks, "file")}

    block = Block(
        "mbconv", (24, 56, 56), (40, 28, 28), 5, stride=2, activation="hswish", expansion=3, se=True
    )
    assert rows[primitive_key(block)].latency_ms == 2.0
    assert rows[primitive_key(block)].samples == 2
    assert len(rows) == 2


def as_primitive(block: Block) -> dict[str, Any]:
    """Return a block as aw_nas writes it, with its MACs as the latency."""
    side = block.input[1] if len(block.input) == 3 else 1
    value: dict[str, Any] = {
        "spatial_size": side,
        "C": block.input[0],
        "C_out": block.output[0],
        "stride": block.stride or 1,
        "affine": True,
        "performances": {"latency": block.macs / 1e6},
    }
    if block.operator == "mbconv":
        return {
            **value,
            "prim_type": "mobilenet_v3_block",
            "kernel_size": block.kernel,
            "expansion": block.expansion or 1,
            "activation": {"hswish": "h_swish"}.get(str(block.activation), block.activation),
            "use_se": block.se,
        }
    kinds = {"global_pool": "avg_pool", "conv": "conv_{0}x{0}", "conv_act": "conv_{0}x{0}"}
    return {**value, "prim_type": kinds.get(block.operator, "linear").format(block.kernel)}


def test_table_of_a_space_has_the_values_of_the_file(tmp_path: Path) -> None:
    space = spaces.get(SPACE)
    path = tmp_path / "primitives.yaml"
    primitives = [as_primitive(block) for block in space.all_blocks.values()]
    path.write_text(yaml.safe_dump([network(*primitives)]))

    imported = import_table(
        [path], space, name="phone", processor="phone", conditions=CONDITIONS, command="tests"
    )
    assert imported.source == "aw-nas"
    codes = space.sample(np.random.default_rng(0), 20)
    estimates = imported.table.cost_model(space).estimate(codes)
    assert np.allclose(estimates, space.macs(codes) / 1e6)

    path.write_text(yaml.safe_dump([network(*primitives[1:])]))
    with pytest.raises(MissingRow):
        import_table(
            [path], space, name="phone", processor="phone", conditions=CONDITIONS, command="tests"
        )


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([{"overall_latency": 1}], "network 0: a list has aw_nas's profiled networks"),
        ([network({"prim_type": "conv_1x1"})], "primitive 0 lacks spatial_size"),
        ([network({**BLOCK, "performances": {"energy": 1}})], "have no latency"),
        ([network(primitive("slow"))], "latency is 'slow'"),  # type: ignore[arg-type]
        ([network(primitive(1.0), "x")], "primitive 1 is no mapping"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_named(tmp_path: Path, content: Any, named: str) -> None:
    path = tmp_path / "primitives.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InvalidTable, match=named):
        read_rows(path)


def test_tags_create_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "primitives.yaml"
    path.write_text("- primitives: !!python/object/apply:os.mkdir [attacked]\n")
    with pytest.raises(InvalidTable, match="python/object/apply"):
        read_rows(path)
