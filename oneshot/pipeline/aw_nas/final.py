"""Final trainings of aw_nas: one genotype from scratch."""

from __future__ import annotations

import math
from typing import Any

from oneshot.pipeline.aw_nas.cells import (
    check_stem,
    layers_of,
    nasbench201,
    read_cells,
    space_text,
)
from oneshot.pipeline.aw_nas.components import IMAGES, check_classes, read_cosine, read_data
from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import refuse_component
from spaces.errors import PathfitError
from spaces.formats.conversion import read


def convert_final(
    configuration: Configuration, space: str | None, data_name: str | None, architecture: str | None
) -> tuple[dict[str, Any], str]:
    """Return the pipeline of a final training, and the text of its architecture's file.

    Args:
        configuration: Configuration with `final_model_type`.
        space: Space in place of the file's; None for the file's.
        data_name: Data set in place of the file's; None for the file's.
        architecture: Path of the file that the architecture is written to; None where the
            pipeline is printed.
    """
    refuse_component(configuration, "final_model_type", "cnn_final_model", "nb201_final_model")
    refuse_component(configuration, "final_trainer_type", "cnn_trainer")
    refuse_component(configuration, "objective_type", "classification")
    configuration.stop_at_faults()

    is_cell = configuration.get("final_model_type") == "cnn_final_model"
    data = read_data(configuration, data_name, has_cutout=True)
    retrain = {**_recipe(configuration, data), **_augmentation(configuration)}
    genotype = configuration.get("final_model_cfg.genotypes")
    if genotype is None:
        configuration.refuse(
            "final_model_cfg.genotypes", "name the architecture by `retrain: {arch: FILE}`"
        )
    if space is None:
        space = _cells(configuration) if is_cell else nasbench201(configuration, "final_model_cfg")
    else:
        configuration.ignore("search_space_type", "search_space_cfg")
    _read_model(configuration, data)
    configuration.stop_at_faults()

    text = _checked_architecture(configuration, str(genotype), space, is_cell)
    if architecture is None:
        configuration.refuse(
            "final_model_cfg.genotypes", "give -o FILE: the architecture is written next to it"
        )
    retrain = {"arch": str(architecture), "space": space, **retrain}
    return {"data": data, "retrain": retrain}, text


def _cells(configuration: Configuration) -> str:
    refuse_component(configuration, "search_space_type", "cnn")
    parameters = read_cells(configuration)
    check_stem(configuration, "final_model_cfg")
    parameters |= {
        "channels": int(configuration.number("final_model_cfg.init_channels", 36)),
        "layers": layers_of(configuration),
        "stem_multiplier": int(configuration.number("final_model_cfg.stem_multiplier", 3)),
        # Both operations of a node may read one input there.
        "repeated_inputs": True,
    }
    return space_text("darts", parameters)


def _read_model(configuration: Configuration, data: str) -> None:
    prefix = "final_model_cfg"
    check_classes(configuration, f"{prefix}.num_classes", data)
    configuration.accept(f"{prefix}.auxiliary_cfg", None, instead="the head is that of DARTS")
    configuration.accept(f"{prefix}.layer_channels", None, instead="channels double at reductions")
    configuration.note(f"{prefix}.dropout_rate", "networks have no dropout before the classifier")
    # The rate of dropped paths rises linearly in either project.
    configuration.ignore(f"{prefix}.schedule_cfg", f"{prefix}.auxiliary_head")


def _augmentation(configuration: Configuration) -> dict[str, Any]:
    values: dict[str, Any] = {"augment": True}
    cutout = configuration.number("dataset_cfg.cutout", 0)
    if cutout:
        values["cutout"] = cutout
    if configuration.get("dataset_cfg.color_jitter", False):
        configuration.note("dataset_cfg.color_jitter", "set retrain.colour-jitter, 0 to 1")
    return values


def _recipe(configuration: Configuration, data: str) -> dict[str, Any]:
    prefix = "final_trainer_cfg"
    epochs = configuration.required_number(f"{prefix}.epochs")
    batch_size = configuration.required_number(f"{prefix}.batch_size")
    least = read_cosine(configuration, f"{prefix}.optimizer_scheduler", epochs)
    if least:
        configuration.note(f"{prefix}.optimizer_scheduler.eta_min", "the rate falls to 0")

    if configuration.get(f"{prefix}.no_bias_decay") is False:
        configuration.note(f"{prefix}.no_bias_decay", "biases and normalisation are not decayed")
    configuration.accept(f"{prefix}.schedule_cfg", None, instead="write the values as they end")
    configuration.ignore(f"{prefix}.add_regularization", f"{prefix}.auxiliary_head")

    recipe = {
        "epochs": epochs,
        "batch-size": batch_size,
        "learning-rate": configuration.required_number(f"{prefix}.learning_rate"),
        "momentum": configuration.number(f"{prefix}.momentum", 0.9),
        "weight-decay": configuration.number(f"{prefix}.weight_decay", 0),
        "schedule": "cosine",
        "label-smoothing": configuration.number("objective_cfg.label_smooth", 0),
        "drop-path": configuration.number("final_model_cfg.dropout_path_rate", 0),
        "auxiliary": _auxiliary(configuration),
        # aw_nas tests with the statistics of the training's updates.
        "norm-batches": 0,
    }
    if configuration.is_set(f"{prefix}.grad_clip"):
        recipe["clip"] = configuration.required_number(f"{prefix}.grad_clip")

    warmup = configuration.number(f"{prefix}.warmup_epochs", 0)
    if warmup and data in IMAGES:
        recipe["warmup"] = int(warmup) * math.ceil(IMAGES[data] / batch_size)
    elif warmup:
        configuration.note(f"{prefix}.warmup_epochs", "set retrain.warmup, a number of updates")
    return recipe


def _auxiliary(configuration: Configuration) -> float:
    weight = configuration.number("final_trainer_cfg.auxiliary_weight", 0.0)
    return weight if configuration.get("final_model_cfg.auxiliary_head", False) else 0.0


def _checked_architecture(
    configuration: Configuration, genotype: str, space: str, is_cell: bool
) -> str:
    """Return the text of the architecture's file; refuse genotypes of other spaces."""
    # Texts of several lines are one value in YAML.
    text = " ".join(genotype.split())
    try:
        read(text, "aw-nas" if is_cell else "nasbench201", space)
    except PathfitError as error:
        configuration.refuse("final_model_cfg.genotypes", f"{space} cannot have it: {error}")
    return f"{text}\n"
