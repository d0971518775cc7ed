"""Primitives that aw_nas profiled: a YAML list of networks with the latencies of their parts.

    - overall_latency: 12.3
      primitives:
      - {prim_type: mobilenet_v3_block, spatial_size: 56, C: 24, C_out: 40, stride: 2,
         kernel_size: 5, expansion: 3, activation: relu, use_se: true, affine: true,
         performances: {latency: 0.8}}

`spatial_size` is the side of the input. Latencies are taken as milliseconds; the files state no
unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from spaces.block import Block
from tables.errors import InvalidTable, UnnamedBlock
from tables.importing.row import Row, to_number
from tables.medians import NORMAL_IQR

_SIZES = ("spatial_size", "C", "C_out", "stride")

_ACTIVATIONS = {"h_swish": "hswish", "hard_swish": "hswish"}

# Parameters of a block, with the values where a primitive leaves them out.
_PARAMETERS: Mapping[str, Any] = {
    "kernel_size": 3,
    "expansion": 1,
    "activation": "relu",
    "use_se": False,
}

_BLOCKS = ("mobilenet_v2_block", "mobilenet_v3_block")


def primitive_key(block: Block) -> str:
    """Return the key of a block among the rows of `rows_of_primitives`.

    Raises:
        UnnamedBlock: aw_nas has no primitive for such a block.
    """
    side = block.input[1] if len(block.input) == 3 else 1
    sizes = f"{side}-{block.input[0]}-{block.output[0]}-s{block.stride or 1}"

    if block.operator == "mbconv":
        expansion = block.expansion or 1
        if block.activation == "relu6" and not block.se:
            return f"mobilenet_v2_block-{sizes}-k{block.kernel}-e{expansion}"
        squeeze = "-se" if block.se else ""
        return (
            f"mobilenet_v3_block-{sizes}-k{block.kernel}-e{expansion}-{block.activation}{squeeze}"
        )

    if block.operator in ("conv", "conv_act"):
        return f"conv_{block.kernel}x{block.kernel}-{sizes}"
    if block.operator in ("classifier", "linear", "linear_dropout"):
        return f"linear-{sizes}"
    if block.operator in ("avg_pool", "global_pool"):
        return f"avg_pool-{sizes}"

    raise UnnamedBlock("aw_nas", block.key)


def rows_of_primitives(networks: Sequence[Any], path: object) -> Iterator[Row]:
    """Yield a row for each different primitive: the mean latency over all networks that have it.

    Args:
        networks: Content of the file: profiled networks, or lists of them.
        path: File, for messages.

    Raises:
        InvalidTable: A network or a primitive lacks a field, or a value is no number.
    """
    latencies: dict[str, list[float]] = {}
    for position, network in _flattened(networks, str(path)):
        primitives = network.get("primitives") if isinstance(network, Mapping) else None
        if not isinstance(primitives, list):
            raise InvalidTable(
                f"{position}: a list has aw_nas's profiled networks with the field primitives; a"
                " table maps keys to {mean, count, var or std}"
            )
        for number, primitive in enumerate(primitives):
            key, latency = _read(primitive, f"{position}, primitive {number}")
            latencies.setdefault(key, []).append(latency)

    for key, values in latencies.items():
        iqr_ms = NORMAL_IQR * stdev(values) if len(values) > 1 else None
        yield Row(key, fmean(values), iqr_ms, len(values))


def _flattened(networks: Sequence[Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield networks with their positions; aw_nas groups repeated measurements in lists."""
    for number, network in enumerate(networks):
        if isinstance(network, list):
            yield from _flattened(network, f"{path}, network {number}")
        else:
            yield f"{path}, network {number}", network


def _read(primitive: Any, position: str) -> tuple[str, float]:
    """Return the key and the latency of a primitive."""
    if not isinstance(primitive, Mapping):
        raise InvalidTable(f"{position} is no mapping: {primitive!r:.60}")
    missing = [name for name in ("prim_type", *_SIZES, "performances") if name not in primitive]
    if missing:
        raise InvalidTable(f"{position} lacks {', '.join(missing)}")

    performances = primitive["performances"]
    if not isinstance(performances, Mapping) or "latency" not in performances:
        raise InvalidTable(f"{position}: performances have no latency: {performances!r:.60}")

    side, inputs, outputs, stride = (
        int(to_number(primitive[name], position, name)) for name in _SIZES
    )
    latency = to_number(performances["latency"], position, "latency")
    kind = str(primitive["prim_type"])
    key = f"{kind}-{side}-{inputs}-{outputs}-s{stride}"
    if kind in _BLOCKS:
        values = {name: primitive.get(name, value) for name, value in _PARAMETERS.items()}
        key += f"-k{values['kernel_size']}-e{values['expansion']}"
        if kind == "mobilenet_v3_block":
            activation = _ACTIVATIONS.get(str(values["activation"]), values["activation"])
            key += f"-{activation}{'-se' if values['use_se'] else ''}"
    return key, latency
