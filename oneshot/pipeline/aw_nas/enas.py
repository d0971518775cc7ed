"""ENAS on aw_nas's space `cnn`."""

from __future__ import annotations

import math
from typing import Any

from oneshot.pipeline.aw_nas.cells import read_cells, shared_cells
from oneshot.pipeline.aw_nas.components import (
    IMAGES,
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


def convert_enas(
    configuration: Configuration, space: str | None, data_name: str | None
) -> dict[str, Any]:
    """Return the pipeline of a search by ENAS' controller."""
    data = read_data(configuration, data_name)
    refuse_component(configuration, "controller_type", "rl")
    refuse_component(configuration, "objective_type", "classification")
    weights = read_weights(configuration, data)
    options = _controller_options(configuration)
    options |= _enas_schedule(configuration, weights)
    train = {"algorithm": "enas", **weights, **read_clip(configuration)}

    prefix = "weights_manager_cfg"
    if space is None:
        refuse_component(configuration, "search_space_type", "cnn")
        refuse_component(configuration, "weights_manager_type", "supernet")
        # Both operations of a node may read one input there.
        parameters = {**read_cells(configuration), "repeated_inputs": True}
        space = shared_cells(configuration, parameters, data)
    else:
        configuration.ignore("search_space_type", "search_space_cfg", "weights_manager_type")
        configuration.ignore(prefix)

    options["keep"] = 1 - configuration.number(f"{prefix}.dropout_rate", 0)
    _read_controller_training(configuration, options, data, weights["batch-size"])
    check_trainer(configuration)

    return {"space": space, "data": data, "train": {**train, "option": options}}


def _controller_options(configuration: Configuration) -> dict[str, Any]:
    """Return the options of ENAS' LSTM and of its training by policy gradients."""
    prefix = "controller_cfg."
    network = f"{prefix}controller_network_cfg."
    agent = f"{prefix}rl_agent_cfg."
    configuration.accept(
        f"{prefix}controller_network_type",
        "embed_lstm",
        instead="set train.option.attention=true with `embed_lstm`",
    )
    configuration.accept(f"{prefix}rl_agent_type", "pg", instead="set train.option.ppo_clip=0.2")
    configuration.accept(
        f"{prefix}independent_cell_group", False, instead="one controller decides both cells"
    )
    configuration.accept(f"{network}force_uniform", False, instead="use `algorithm: spos`")
    configuration.accept(f"{network}schedule_cfg", None, instead="write the values as they end")
    configuration.accept(f"{agent}gamma", 1, instead="rewards are not discounted")
    configuration.accept(f"{agent}max_grad_norm", None, instead="the gradient is not clipped")
    configuration.accept(f"{agent}batch_update", True, instead="samples are averaged")
    configuration.ignore(f"{network}attention_hid")

    # Without a bound the reduction has no effect.
    bound = configuration.number(f"{network}tanh_constant", 0)
    reduction = configuration.number(f"{network}op_tanh_reduce", 1)
    return {
        "prior": False,
        "layers": configuration.number(f"{network}num_lstm_layers", 1),
        "hidden": configuration.number(f"{network}controller_hid", 64),
        "temperature": configuration.number(f"{network}softmax_temperature", 1.0),
        # The bound of operations is reduced, as in the release of ENAS.
        "tanh_constant": round(bound / reduction, 6) if reduction else 0,
        "input_tanh_constant": bound,
        "baseline_decay": configuration.number(f"{agent}alpha", 0.999),
        "entropy_weight": configuration.number(f"{agent}entropy_coeff", 0.01),
    }


def _enas_schedule(configuration: Configuration, weights: dict[str, Any]) -> dict[str, Any]:
    """Set the schedule of the weights; return the options of one with restarts."""
    prefix = scheduler_prefix(configuration)
    weights["schedule"] = "cosine"
    if configuration.get(f"{prefix}.type") != "CosineAnnealingWarmRestarts":
        return {"least_learning_rate": read_cosine(configuration, prefix, weights["epochs"])}

    return {
        "least_learning_rate": configuration.number(f"{prefix}.eta_min", 0),
        "restart_epochs": configuration.required_number(f"{prefix}.T_0"),
        "restart_factor": configuration.number(f"{prefix}.T_mult", 1),
    }


def _read_controller_training(
    configuration: Configuration, options: dict[str, Any], data: str, batch_size: float
) -> None:
    """Add the options of the controller's updates after each epoch."""
    optimizer = "trainer_cfg.controller_optimizer"
    configuration.accept(f"{optimizer}.type", "Adam", instead="the controller is trained by Adam")
    configuration.accept(
        "trainer_cfg.interleave_controller_every",
        None,
        instead="the controller is trained after each epoch of the weights",
    )
    options["controller_learning_rate"] = configuration.required_number(f"{optimizer}.lr")
    options["aggregate"] = configuration.number("trainer_cfg.controller_samples", 1)
    options["final_samples"] = configuration.number("trainer_cfg.derive_samples", 8)
    options["controller_warmup"] = read_warmup(configuration)
    for name in ("betas", "weight_decay", "eps"):
        configuration.note(f"{optimizer}.{name}", "the controller's Adam is that of ENAS' release")

    key = "trainer_cfg.controller_steps"
    if configuration.is_set(key):
        options["controller_steps"] = configuration.required_number(key)
    elif data in IMAGES:
        # aw_nas visits the controller's images once in an epoch.
        images = held_out_fraction(configuration) * IMAGES[data]
        options["controller_steps"] = math.ceil(images / batch_size)
