"""Names of blocks in the latency tables that others published."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spaces.block import Block
from spaces.operators.layers import Shape
from tables.errors import UnnamedBlock
from tables.importing.hw_nas_bench import operator_key
from tables.importing.primitives import primitive_key

KeyWriter = Callable[[Block], str]
"""Returns the key of a block in a published table."""


def proxylessnas_key(block: Block) -> str:
    """Return the key in the ProxylessNAS release's `mobile_trim.yaml`.

    A key reads `expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:5-stride:2-idskip:0`.

    Raises:
        UnnamedBlock: The release has no name for such a block.
    """
    if block.operator == "mbconv" and not block.se:
        return (
            f"expanded_conv-{_ends(block)}-expand:{block.expansion}-kernel:{block.kernel}"
            f"-stride:{block.stride}-idskip:{int(block.shortcut)}"
        )
    return _outer_key(block, "ProxylessNAS")


def ofa_key(block: Block) -> str:
    """Return the key in Once-for-All's tables, where `expand` is the number of inner channels.

    A key reads
    `expanded_conv-input:56x56x32-output:28x28x48-expand:128-kernel:5-stride:2-idskip:0-se:1-hs:0`.

    Raises:
        UnnamedBlock: The release has no name for such a block.
    """
    if block.operator == "mbconv":
        hidden = block.input[0] * (block.expansion or 1)
        hard_swish = int(block.activation == "hswish")
        return (
            f"expanded_conv-{_ends(block)}-expand:{hidden}-kernel:{block.kernel}"
            f"-stride:{block.stride}-idskip:{int(block.shortcut)}-se:{int(block.se)}-hs:{hard_swish}"
        )
    if block.operator in ("avg_pool", "global_pool"):
        return f"AvgPool2D-{_ends(block)}"
    if block.operator == "conv_act":
        return f"Conv_2-{_ends(block)}"
    return _outer_key(block, "OFA")


def short_key(block: Block) -> str:
    """Return the key in the CSV files that ProxylessNAS's users exchange.

    A key reads `56x56x24-28x28x40-expand:3-kernel:5-stride:2`.

    Raises:
        UnnamedBlock: The files have no name for such a block.
    """
    ends = f"{_shape(block.input)}-{_shape(block.output)}"
    if block.operator == "mbconv":
        return f"{ends}-expand:{block.expansion}-kernel:{block.kernel}-stride:{block.stride}"
    name = _outer_key(block, "CSV").partition("-")[0]
    return f"{name}-{ends}"


def pathfit_key(block: Block) -> str:
    """Return Pathfit's own key."""
    return block.key


def _outer_key(block: Block, source: str) -> str:
    """Return the key of a block outside the searched layers."""
    if block.operator in ("classifier", "linear", "linear_dropout"):
        return f"Logits-{_ends(block)}"
    if block.operator == "conv":
        return f"{'Conv_1' if (block.kernel or 1) == 1 else 'Conv'}-{_ends(block)}"
    raise UnnamedBlock(source, block.key)


def _ends(block: Block) -> str:
    return f"input:{_shape(block.input)}-output:{_shape(block.output)}"


def _shape(shape: Shape) -> str:
    """Return height, width and channels; the number of features alone for a vector."""
    return "x".join(map(str, (*shape[1:], shape[0])))


WRITERS: Mapping[str, KeyWriter] = {
    "proxylessnas": proxylessnas_key,
    "ofa": ofa_key,
    "csv": short_key,
    "aw-nas": primitive_key,
    "hw-nas-bench": operator_key,
    "pathfit": pathfit_key,
}
"""Name of a notation -> its writer."""
