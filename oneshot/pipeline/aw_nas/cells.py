"""Spaces of cells: aw_nas' `cnn`, `nb301` and NAS-Bench-201."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from oneshot.pipeline.aw_nas.components import check_classes
from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import refuse_component
from spaces.cells.darts_design import NODES, OPERATIONS
from spaces.zoo.darts_space import SEARCH_CHANNELS

STEM_MULTIPLIER = 3
"""Channels of DARTS' stem as a multiple of those of the first cell."""


_OTHER_CELLS = "cells of `darts` have other ones; give --space, or write the model (own-model.md)"

_PRIMITIVE = re.compile(r"none|skip_connect|(max_pool|avg_pool|sep_conv|dil_conv)_(3x3|5x5|7x7)")
"""Names of operations that mean the same in both projects."""

_STAGES_OF_NB201 = 3


def read_cells(configuration: Configuration) -> dict[str, Any]:
    """Return the parameters of `darts` for cells of the space `cnn`; refuse other cells."""
    prefix = "search_space_cfg."
    expected: dict[str, tuple[Any, ...]] = {
        "num_cell_groups": (2,),
        "num_init_nodes": (2,),
        "cell_layout": (None,),
        "reduce_cell_groups": ([1],),
        "num_node_inputs": (2,),
        "concat_op": ("concat",),
        "concat_nodes": (None,),
        "loose_end": (False,),
        "cell_shared_primitives": (None,),
    }
    for name, values in expected.items():
        configuration.accept(prefix + name, *values, instead=_OTHER_CELLS)

    parameters: dict[str, Any] = {}
    steps = int(configuration.number(f"{prefix}num_steps", NODES))
    if steps != NODES:
        parameters["steps"] = steps

    primitives = configuration.get(f"{prefix}shared_primitives", list(OPERATIONS))
    names = list(map(str, primitives)) if isinstance(primitives, list) else []
    if not names or not all(map(_PRIMITIVE.fullmatch, names)):
        configuration.refuse(f"{prefix}shared_primitives", _OTHER_CELLS)
    elif set(names) != set(OPERATIONS):
        parameters["primitives"] = tuple(names)
    return parameters


def layers_of(configuration: Configuration) -> int:
    """Return the number of cells of the space `cnn`; 8 is aw_nas's default."""
    return int(configuration.number("search_space_cfg.num_layers", 8))


def check_stem(configuration: Configuration, prefix: str) -> None:
    """Refuse stems and preprocessing other than those of `darts` on CIFAR."""
    expected: dict[str, tuple[Any, ...]] = {
        "use_stem": ("conv_bn_3x3",),
        "stem_stride": (1,),
        "stem_affine": (True,),
        "preprocess_op_type": (None,),
        "cell_use_preprocess": (True,),
        "cell_use_shortcut": (False,),
    }
    for name, values in expected.items():
        configuration.accept(
            f"{prefix}.{name}", *values, instead="`darts` has another stem or cell"
        )
    configuration.ignore(f"{prefix}.cell_shortcut_op_type")


def shared_cells(configuration: Configuration, parameters: Mapping[str, Any], data: str) -> str:
    """Return the space of cells whose weights one supernet shares, with the sizes of the file.

    Args:
        configuration: Configuration of aw_nas.
        parameters: Parameters of `darts` that the cells themselves have.
        data: Data set of the pipeline.
    """
    prefix = "weights_manager_cfg"
    check_stem(configuration, prefix)
    check_classes(configuration, f"{prefix}.num_classes", data)
    configuration.accept(f"{prefix}.cell_group_kwargs", None, instead="use `space: darts`")
    sizes = {
        "channels": int(configuration.number(f"{prefix}.init_channels", SEARCH_CHANNELS)),
        "layers": layers_of(configuration),
        "stem_multiplier": int(configuration.number(f"{prefix}.stem_multiplier", STEM_MULTIPLIER)),
    }
    return space_text("darts", {**parameters, **sizes})


def nasbench201(configuration: Configuration, prefix: str) -> str:
    """Return the space of NAS-Bench-201's cells with the sizes of the file.

    Args:
        configuration: Configuration of aw_nas.
        prefix: Key of the settings of the networks, or of their shared weights.
    """
    refuse_component(configuration, "search_space_type", "nasbench-201")
    configuration.accept("search_space_cfg.vertices", 4, instead="cells have 4 vertices")
    configuration.accept(f"{prefix}.stem_multiplier", 1, instead="`nasbench201` has one stem")
    check_stem(configuration, prefix)

    # Two reductions separate three stages of equally many cells.
    layers = int(configuration.number("search_space_cfg.num_layers", 17))
    cells, remainder = divmod(layers - _STAGES_OF_NB201 + 1, _STAGES_OF_NB201)
    if remainder or cells < 1:
        configuration.refuse("search_space_cfg.num_layers", "stages are equally long: 3n + 2")
    channels = int(configuration.number(f"{prefix}.init_channels", 16))
    return f"nasbench201(cells={cells}, channels={channels})"


def space_text(name: str, parameters: Mapping[str, Any]) -> str:
    """Return a space's name with parameters, such as `darts(layers=8, steps=5)`."""
    if not parameters:
        return name
    texts = (f"{key}={value!r}" for key, value in sorted(parameters.items()))
    return f"{name}({', '.join(texts)})"
