"""Components that several methods share: data and the training of shared weights."""

from __future__ import annotations

import math
from typing import Any

from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import refuse_component

IMAGES = {"cifar10": 50_000, "cifar100": 50_000}
"""Training images of the data sets that both projects know by the same name."""

CLASSES = {"cifar10": 10, "cifar100": 100}

_NO_SURROGATES = "weights are evaluated as they are; remove the surrogate steps"


def read_data(configuration: Configuration, data: str | None, has_cutout: bool = False) -> str:
    """Return the data set of a pipeline.

    Args:
        configuration: Configuration of aw_nas.
        data: Data set that the user names in place of the file's; None for the file's.
        has_cutout: Whether the training has the option cutout.
    """
    if not has_cutout:
        configuration.accept("dataset_cfg.cutout", None, instead="it is an option of `retrain`")
    if data is not None:
        configuration.ignore("dataset_type", "dataset_cfg")
        return data

    refuse_component(configuration, "dataset_type", *IMAGES)
    return str(configuration.get("dataset_type"))


def check_classes(configuration: Configuration, key: str, data: str) -> None:
    """Refuse a number of classes other than that of the data set."""
    if data in CLASSES:
        configuration.accept(
            key, CLASSES[data], instead=f"{data} has {CLASSES[data]}, which networks follow"
        )
    else:
        configuration.note(key, "networks have as many classes as the data set")


def read_weights(configuration: Configuration, data: str) -> dict[str, Any]:
    """Return the options of the shared weights' training, as keys of the stage `train`."""
    refuse_component(
        configuration,
        "evaluator_type",
        "mepa",
        "discrete_shared_weights",
        "differentiable_shared_weights",
    )
    _check_evaluator(configuration)
    train = {
        "epochs": configuration.required_number("trainer_cfg.epochs"),
        "batch-size": configuration.required_number("evaluator_cfg.batch_size"),
        "label-smoothing": configuration.number("objective_cfg.label_smooth", 0),
        **_read_sgd(configuration, f"{_optimizer(configuration)}_optimizer"),
    }
    held_out = held_out_fraction(configuration)
    if held_out and data in IMAGES:
        train["validation"] = round(held_out * IMAGES[data])
    elif held_out:
        configuration.note("evaluator_cfg.data_portion", "set train.validation, a number of images")
    else:
        configuration.note(
            "evaluator_cfg.data_portion", "a tenth of the images is held out for evaluations"
        )

    return train


def _optimizer(configuration: Configuration) -> str:
    """Return the prefix of the weights' optimizer, which the successors of `mepa` renamed."""
    is_renamed = bool(configuration.keys("evaluator_cfg.eval_optimizer"))
    return "evaluator_cfg.eval" if is_renamed else "evaluator_cfg.mepa"


def _read_sgd(configuration: Configuration, prefix: str) -> dict[str, Any]:
    configuration.accept(f"{prefix}.type", "SGD", instead="supernets are trained by SGD")
    nesterov = bool(configuration.get(f"{prefix}.nesterov", False))
    return {
        "learning-rate": configuration.required_number(f"{prefix}.lr"),
        "momentum": configuration.number(f"{prefix}.momentum", 0),
        "weight-decay": configuration.number(f"{prefix}.weight_decay", 0),
        **({"nesterov": True} if nesterov else {}),
    }


def read_cosine(configuration: Configuration, prefix: str, epochs: Any) -> float:
    """Return the least rate of a cosine over the whole training; refuse other schedules."""
    configuration.accept(
        f"{prefix}.type", "CosineAnnealingLR", instead="schedules are linear, cosine or constant"
    )
    configuration.accept(
        f"{prefix}.T_max",
        epochs,
        instead=f"a cosine lasts the whole training of {epochs} epochs; set both to one number",
    )
    return configuration.number(f"{prefix}.eta_min", 0)


def scheduler_prefix(configuration: Configuration) -> str:
    """Return the prefix of the keys of the weights' schedule."""
    return f"{_optimizer(configuration)}_scheduler"


def held_out_fraction(configuration: Configuration) -> float:
    """Return the fraction of the training images of the controller; refuse other divisions."""
    key = "evaluator_cfg.data_portion"
    portions = configuration.get(key, [0.0, 0.5, 0.5])
    is_plain = isinstance(portions, list) and all(
        isinstance(portion, int | float) for portion in portions
    )
    # The first of three portions trains surrogates.
    used = portions[-2:] if is_plain else []
    if not is_plain or not math.isclose(sum(portions), 1) or not math.isclose(sum(used), 1):
        configuration.refuse(key, "two parts divide all training images, such as [0.0, 0.8, 0.2]")
        return 0.0
    return float(used[1])


def _check_evaluator(configuration: Configuration) -> None:
    prefix = "evaluator_cfg."
    for name in (
        "controller_surrogate_steps",
        "mepa_surrogate_steps",
        "derive_surrogate_steps",
        "update_mepa_surrogate_steps",
        "surrogate_optimizer",
        "surrogate_scheduler",
        "surrogate_lr_optimizer",
        "surrogate_lr_scheduler",
        "use_maml_plus",
        "high_order",
        "learn_per_weight_step_lr",
        "use_multi_step_loss",
        "use_same_surrogate_data",
        "mepa_as_surrogate",
    ):
        configuration.accept(prefix + name, None, 0, False, instead=_NO_SURROGATES)

    for name in ("multi_step_loss_epochs", "multi_step_loss_start"):
        configuration.ignore(prefix + name)

    for name in ("mepa_samples", "eval_samples"):
        configuration.accept(prefix + name, 1, None, instead="an update trains one path")
    if configuration.get("objective_type") != "latency":
        configuration.accept(
            f"{prefix}rollout_batch_size", 1, None, instead="an update trains one path"
        )

    configuration.accept(
        f"{prefix}disable_step_current", False, instead="weights are trained in every update"
    )
    configuration.accept(
        f"{prefix}schedule_every_batch", False, True, instead="schedules follow the updates"
    )
    configuration.accept(f"{prefix}schedule_cfg", None, instead="write the values as they end")


def check_trainer(configuration: Configuration) -> None:
    """Read the keys of the trainer `simple` that no method changes."""
    refuse_component(configuration, "trainer_type", "simple")
    configuration.accept("trainer_cfg.schedule_cfg", None, instead="write the values as they end")
    configuration.accept(
        "trainer_cfg.controller_scheduler", None, instead="the rate of the controller is constant"
    )
    configuration.accept("trainer_cfg.controller_train_every", 1, instead="each epoch trains both")
    configuration.accept(
        "trainer_cfg.evaluator_steps", None, instead="an epoch visits all training images"
    )
    configuration.ignore("trainer_cfg.rollout_batch_size", "trainer_cfg.is_differentiable")


def read_warmup(configuration: Configuration) -> int:
    """Return the number of first epochs without the controller; aw_nas counts epochs from 1."""
    return max(0, int(configuration.number("trainer_cfg.controller_train_begin", 1)) - 1)


def read_clip(configuration: Configuration) -> dict[str, Any]:
    """Return the bound of the gradient of the weights, if there is one."""
    key = "weights_manager_cfg.max_grad_norm"
    return {"clip": configuration.required_number(key)} if configuration.is_set(key) else {}
