"""Once-for-All's supernets of aw_nas."""

from __future__ import annotations

from typing import Any

from oneshot.pipeline.aw_nas.components import (
    check_classes,
    check_trainer,
    read_cosine,
    read_data,
    read_weights,
    scheduler_prefix,
)
from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import refuse_component

_GROUPS = [1, 4, 4, 4, 4, 4]
_CHANNELS = [16, 16, 24, 40, 80, 112, 160, 960, 1280]
"""Stem, first block, stages and last layers of MobileNetV3-Large."""

_SIZES = {"kernel_choice": "kernels", "width_choice": "expansions", "depth_choice": "depths"}
"""Key of aw_nas -> parameter of the space."""

_OTHER_BACKBONE = "`ofa-mobilenetv3` has MobileNetV3-Large's; give --space for another one"


def convert_elastic(
    configuration: Configuration, space: str | None, data_name: str | None
) -> dict[str, Any]:
    """Return the pipeline of the training of an elastic supernet."""
    data = read_data(configuration, data_name)
    refuse_component(configuration, "controller_type", "ofa")
    refuse_component(configuration, "weights_manager_type", "ofa_supernet")
    refuse_component(configuration, "objective_type", "ofa_classification")
    is_progressive = bool(configuration.keys("search_space_cfg.schedule_cfg."))
    train = read_weights(configuration, data)
    train["schedule"] = "cosine"
    least = read_cosine(configuration, scheduler_prefix(configuration), train["epochs"])
    if least:
        configuration.note(f"{scheduler_prefix(configuration)}.eta_min", "the rate falls to 0")

    if space is None:
        space = _space(configuration, data)
    else:
        configuration.ignore("search_space_type", "search_space_cfg", "weights_manager_cfg")

    weight = _distillation_weight(configuration)
    if is_progressive:
        configuration.ignore("search_space_cfg.schedule_cfg")
        for key in configuration.keys("search_space_cfg.schedule_cfg."):
            if key.endswith(".boundary"):
                configuration.note(key, "the stages are those of Once-for-All's release")
        train = {"algorithm": "ofa-progressive", **train, "option": {"distillation": weight}}
    else:
        # A path of an update, trained by the labels.
        options = {"samples": 1, "sandwich": False, "distillation": 0}
        train = {"algorithm": "ofa", **train, "option": options}
        if weight:
            configuration.refuse(
                "objective_cfg.soft_loss_coeff", "use `algorithm: ofa`, whose sandwich distils"
            )

    check_trainer(configuration)
    configuration.accept("trainer_cfg.controller_steps", 0, instead="no controller is trained")
    configuration.ignore(
        "trainer_cfg.controller_samples",
        "trainer_cfg.derive_samples",
        "trainer_cfg.controller_train_begin",
        "trainer_cfg.interleave_controller_every",
        "trainer_cfg.controller_optimizer",
    )
    return {"space": space, "data": data, "train": train}


def _space(configuration: Configuration, data: str) -> str:
    """Return the name of the elastic space with the file's sizes."""
    search = "search_space_cfg"
    backbone = "weights_manager_cfg.backbone_cfg"
    configuration.accept(f"{search}.num_cell_groups", _GROUPS, instead=_OTHER_BACKBONE)
    sizes = {name: _sizes(configuration, key) for key, name in _SIZES.items()}
    # The greatest expansion of each stage; the first block has none.
    greatest = [1, *[max(sizes["expansions"])] * (len(_GROUPS) - 1)]
    configuration.accept(f"{search}.expansions", greatest, instead=_OTHER_BACKBONE)
    configuration.accept(f"{backbone}.expansions", greatest, instead=_OTHER_BACKBONE)
    configuration.accept(f"{backbone}.blocks", _GROUPS, instead=_OTHER_BACKBONE)
    configuration.accept(f"{backbone}.layer_channels", _CHANNELS, instead=_OTHER_BACKBONE)
    configuration.accept(f"{backbone}.block_type", "mbv3_block", instead=_OTHER_BACKBONE)
    configuration.accept(
        "weights_manager_cfg.backbone_type", "mbv3_backbone", instead=_OTHER_BACKBONE
    )
    configuration.ignore(f"{backbone}.kernel_sizes")
    check_classes(configuration, f"{backbone}.num_classes", data)

    first, *strides = configuration.numbers(f"{backbone}.strides")
    if first != 1:
        configuration.refuse(f"{backbone}.strides", "the first block keeps its size")

    parameters = {
        "resolutions": configuration.numbers(f"{search}.image_size_choice"),
        "width": configuration.number(f"{backbone}.mult_ratio", 1.0),
        "strides": strides,
        "stem_stride": configuration.required_number(f"{backbone}.stem_stride"),
        **sizes,
    }
    texts = [f"{name}={_parameter(value)}" for name, value in sorted(parameters.items())]
    return f"ofa-mobilenetv3({', '.join(texts)})"


def _sizes(configuration: Configuration, key: str) -> list[int]:
    """Return the sizes of a choice in ascending order, where they grow those of the last stage."""
    scheduled = configuration.get(f"search_space_cfg.schedule_cfg.{key}.value")
    if isinstance(scheduled, list) and scheduled and isinstance(scheduled[-1], list):
        configuration.ignore(f"search_space_cfg.{key}")
        return sorted(scheduled[-1])
    return sorted(configuration.numbers(f"search_space_cfg.{key}"))


def _parameter(value: Any) -> str:
    if isinstance(value, list):
        # Of one element, the comma makes a tuple.
        return f"({', '.join(map(str, value))}{',' if len(value) == 1 else ''})"
    return str(value)


def _distillation_weight(configuration: Configuration) -> float:
    """Return the weight of the teacher's entropy in the loss, where it grows the last one."""
    prefix = "objective_cfg"
    scheduled = f"{prefix}.schedule_cfg.soft_loss_coeff"
    weight = configuration.number(f"{prefix}.soft_loss_coeff", 0)
    values = configuration.get(f"{scheduled}.value")
    if isinstance(values, list) and values and isinstance(values[-1], int | float):
        weight = values[-1]
        configuration.note(
            f"{scheduled}.boundary", "the largest network is trained alone in the first stage"
        )

    configuration.ignore(f"{scheduled}.type", f"{prefix}.schedule_cfg")

    # Without a file of latencies aw_nas does not use them.
    for name in ("latency_coeff", "expect_latency", "reward", "punishment"):
        configuration.ignore(f"{prefix}.{name}")
    return float(weight)
