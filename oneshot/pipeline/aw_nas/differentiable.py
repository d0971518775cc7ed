"""DARTS and SNAS on aw_nas's space `cnn`, and FBNet on a space that the user names."""

from __future__ import annotations

from typing import Any

from oneshot.pipeline.aw_nas.cells import (
    STEM_MULTIPLIER,
    check_stem,
    layers_of,
    read_cells,
    space_text,
)
from oneshot.pipeline.aw_nas.components import (
    check_classes,
    check_trainer,
    held_out_fraction,
    read_clip,
    read_cosine,
    read_data,
    read_warmup,
    read_weights,
    scheduler_prefix,
)
from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import refuse_component
from spaces.zoo.darts_space import SEARCH_CHANNELS, SEARCH_LAYERS

_ADAM_BETAS = [0.9, 0.999]
"""Default of torch's Adam, which aw_nas takes."""


def convert_differentiable(
    configuration: Configuration, space: str | None, data_name: str | None
) -> dict[str, Any]:
    """Return the pipeline of a search by gradients: DARTS, SNAS, or FBNet where latency counts."""
    data = read_data(configuration, data_name)
    refuse_component(configuration, "controller_type", "differentiable")
    algorithm = _algorithm(configuration, space)
    train = {"algorithm": algorithm, **read_weights(configuration, data)}
    base, search = _search_space(configuration, space, data)
    if search is not None:
        train["space"] = search

    options = _logit_options(configuration, algorithm)
    options["least_learning_rate"] = read_cosine(
        configuration, scheduler_prefix(configuration), train["epochs"]
    )
    train |= {"schedule": "cosine", **read_clip(configuration), "option": options}
    check_trainer(configuration)
    configuration.ignore("trainer_cfg.derive_samples", "trainer_cfg.controller_steps")
    configuration.accept("trainer_cfg.controller_samples", 1, instead="one mixture is trained")
    configuration.note(
        "controller_cfg.entropy_coeff", f"the loss of {algorithm} has no term of the entropy"
    )

    pipeline: dict[str, Any] = {"space": base, "data": data, "train": train}
    configuration.accept(
        "controller_cfg.inspect_hessian_every", -1, None, instead="set option.hessian_every"
    )
    if algorithm == "fbnet":
        train["target"] = "latency_ms@profile"
        pipeline = {"space": base, "data": data, "profile": {}, "train": train}
    return pipeline


def _algorithm(configuration: Configuration, space: str | None) -> str:
    """Return the algorithm: aw_nas has one controller for three, which its options select."""
    configuration.accept(
        "controller_cfg.gumbel_hard", False, instead="samples of one operation are those of `gdas`"
    )
    objective = configuration.get("objective_type")
    if objective == "latency" and space is not None:
        configuration.ignore("objective_cfg", "controller_cfg.use_prob")
        configuration.note(
            "objective_type",
            "the loss is FBNet's product (equation 5) and the latencies are those of `profile`",
        )
        configuration.note(
            "evaluator_cfg.rollout_batch_size", "the images of a batch share one sample"
        )
        return "fbnet"

    refuse_component(configuration, "objective_type", "classification")
    if _is_partial(configuration):
        configuration.accept(
            "controller_cfg.use_prob", True, instead="`pc-darts` mixes by probabilities: set true"
        )
        return "pc-darts"

    if configuration.get("controller_cfg.use_prob", False):
        configuration.ignore("controller_cfg.gumbel_temperature")
        return "darts"
    configuration.note(
        "evaluator_cfg.data_portion",
        "`snas` trains weights and logits by one loss, as published; aw_nas takes turns",
    )
    return "snas"


def _is_partial(configuration: Configuration) -> bool:
    """Return whether edges are weighted, or a part of the channels is mixed, as in PC-DARTS."""
    return bool(
        configuration.get("controller_cfg.use_edge_normalization", False)
        or configuration.is_set("weights_manager_cfg.cell_group_kwargs")
    )


def _partial_options(configuration: Configuration) -> dict[str, Any]:
    """Return the options of PC-DARTS' mixture."""
    key = "weights_manager_cfg.cell_group_kwargs"
    groups = configuration.get(key) or [{"partial_channel_proportion": 1}]
    divisors = [
        group.get("partial_channel_proportion")
        if isinstance(group, dict) and len(group) == 1
        else 0
        for group in groups
    ]
    if len(set(divisors)) != 1 or not divisors[0]:
        configuration.refuse(key, "both cells have one partial_channel_proportion alone")

    return {
        "channel_divisor": divisors[0],
        "edge_normalisation": bool(
            configuration.get("controller_cfg.use_edge_normalization", False)
        ),
    }


def _logit_options(configuration: Configuration, algorithm: str) -> dict[str, Any]:
    """Return the options of the logits' training."""
    optimizer = "trainer_cfg.controller_optimizer"
    configuration.accept(f"{optimizer}.type", "Adam", instead="logits are trained by Adam")
    options: dict[str, Any] = {
        "arch_learning_rate": configuration.required_number(f"{optimizer}.lr"),
        "arch_betas": configuration.get(f"{optimizer}.betas", _ADAM_BETAS),
        "arch_weight_decay": configuration.number(f"{optimizer}.weight_decay", 0),
        "arch_clip": configuration.number("controller_cfg.max_grad_norm", 0),
        "arch_warmup": read_warmup(configuration),
        "arch_every": _updates_per_step(configuration),
    }
    temperature = configuration.number("controller_cfg.gumbel_temperature", 1.0)
    if algorithm == "pc-darts":
        options |= _partial_options(configuration)
        configuration.ignore("controller_cfg.gumbel_temperature")
    if algorithm == "snas":
        options |= {"first_temperature": temperature, "last_temperature": temperature}
    if algorithm == "fbnet":
        options |= {"temperature": temperature, "annealing": _annealing(configuration)}
    else:
        configuration.accept("controller_cfg.schedule_cfg", None, instead="write the first value")
        configuration.accept("controller_cfg.force_uniform", False, instead="use arch_warmup")

    return options


def _updates_per_step(configuration: Configuration) -> int:
    """Return the updates of the weights per update of the logits."""
    key = "trainer_cfg.interleave_controller_every"
    if configuration.is_set(key):
        return int(configuration.required_number(key))

    # Whole passes in turns: as many updates as the sizes of both parts have them.
    held_out = held_out_fraction(configuration)
    configuration.note(key, "updates alternate in the proportion of both parts")
    return max(1, round((1 - held_out) / held_out)) if held_out else 1


def _annealing(configuration: Configuration) -> float:
    """Return the factor of the temperature from epoch to epoch."""
    prefix = "controller_cfg.schedule_cfg.gumbel_temperature"
    configuration.accept(f"{prefix}.type", "mul", instead="the temperature is multiplied")
    configuration.accept(f"{prefix}.every", 1, instead="the temperature changes in every epoch")
    configuration.ignore(f"{prefix}.start", "controller_cfg.schedule_cfg.force_uniform")
    configuration.note(f"{prefix}.start_epoch", "the temperature falls from the first epoch on")
    # Uniform until the logits are trained, which `arch_warmup` is as well.
    configuration.ignore("controller_cfg.force_uniform")
    return configuration.number(f"{prefix}.step", 1.0)


def _search_space(
    configuration: Configuration, space: str | None, data: str
) -> tuple[str, str | None]:
    """Return the space of the networks, and that of the search where it is another one."""
    prefix = "weights_manager_cfg"
    if space is not None:
        configuration.ignore("search_space_type", "search_space_cfg", "weights_manager_type")
        # Read elsewhere: the bound of the gradient.
        configuration.ignore(*(key for key in configuration.keys(prefix) if "grad" not in key))
        return space, None

    refuse_component(configuration, "search_space_type", "cnn")
    refuse_component(configuration, "weights_manager_type", "diff_supernet")
    parameters = read_cells(configuration)
    check_stem(configuration, prefix)
    check_classes(configuration, f"{prefix}.num_classes", data)
    configuration.note(f"{prefix}.dropout_rate", "search networks have no dropout, as published")
    configuration.ignore("search_space_cfg.derive_without_none_op")

    base = space_text("darts", parameters)
    sizes = {
        "channels": int(configuration.number(f"{prefix}.init_channels", SEARCH_CHANNELS)),
        "layers": layers_of(configuration),
        "stem_multiplier": int(configuration.number(f"{prefix}.stem_multiplier", STEM_MULTIPLIER)),
    }
    if list(sizes.values()) == [SEARCH_CHANNELS, SEARCH_LAYERS, STEM_MULTIPLIER]:
        return base, None
    return base, space_text("darts-search", {**parameters, **sizes, "networks": base})
