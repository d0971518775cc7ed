"""Supernets of aw_nas that are trained on random paths, without a controller that learns."""

from __future__ import annotations

from typing import Any

from oneshot.pipeline.aw_nas.cells import nasbench201, read_cells, shared_cells
from oneshot.pipeline.aw_nas.components import (
    check_classes,
    check_trainer,
    read_clip,
    read_cosine,
    read_data,
    read_weights,
    scheduler_prefix,
)
from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import OWN_MODEL, refuse_component
from spaces.cells.darts_design import NONE, OPERATIONS

FILE_SAMPLER = "file-sampler"
"""Controller that reads a file of architectures, and takes them only where none is to repeat."""

CONTROLLERS = ("random_sample", "nasbench-201-rs", FILE_SAMPLER)
"""Controllers that draw architectures at random."""

WEIGHTS = {
    "cnn": "supernet",
    "nb301": "supernet",
    "nasbench-201": "nasbench-201",
    "nasbench-101-1shot-1": "nasbench-101",
    "nasbench-101-1shot-2": "nasbench-101",
    "nasbench-101-1shot-3": "nasbench-101",
    "germ": "germ",
}
"""Space -> the weights manager of its supernet."""

NDS = {"nds_resnet": "nds-resnet", "nds_resnexta": "nds-resnext"}
"""Supernet of germ -> space of NDS."""

_PLATEAU = "ReduceLROnPlateau"


def convert_sampled(
    configuration: Configuration, space: str | None, data_name: str | None
) -> dict[str, Any]:
    """Return the pipeline of a supernet's training on random paths."""
    data = read_data(configuration, data_name)
    refuse_component(configuration, "controller_type", *CONTROLLERS)
    refuse_component(configuration, "objective_type", "classification")
    if space is None:
        space = read_space(configuration, data)
        _check_channels(configuration)
    else:
        configuration.ignore("search_space_type", "search_space_cfg", "weights_manager_type")
        # Read below: the bound of the gradient.
        settings = configuration.keys("weights_manager_cfg")
        configuration.ignore(*(key for key in settings if "grad" not in key))
    # The keys of a component that has no counterpart say nothing further.
    configuration.stop_at_faults()

    configuration.note(
        "weights_manager_cfg.dropout_rate", "supernets have no dropout before the classifier"
    )

    train = {"algorithm": "spos", **read_weights(configuration, data), "schedule": "cosine"}
    _check_schedule(configuration, train["epochs"])
    _check_sampling(configuration)
    return {"space": space, "data": data, "train": {**train, **read_clip(configuration)}}


def _check_schedule(configuration: Configuration, epochs: Any) -> None:
    """Read the schedule of the weights: a cosine to 0, which is one that ends on a plateau too."""
    prefix = scheduler_prefix(configuration)
    if configuration.get(f"{prefix}.type") == _PLATEAU:
        configuration.ignore(prefix)
        configuration.note(
            f"{prefix}.type", "the rate falls by a cosine to 0; no schedule waits for a plateau"
        )
        return

    if read_cosine(configuration, prefix, epochs):
        configuration.note(f"{prefix}.eta_min", "the rate falls to 0")


def _check_sampling(configuration: Configuration) -> None:
    """Read the keys of the controller and of the trainer, neither of which learns anything."""
    check_trainer(configuration)
    for name in ("switch_epochs", "lr_schedule", "lr_factor"):
        configuration.accept(
            f"evaluator_cfg.{name}", None, instead="the optimizer lasts the whole training"
        )
    check_random_controller(configuration)
    configuration.accept(
        "controller_cfg.avoid_repeat", False, None, instead="paths are drawn independently"
    )
    configuration.accept("controller_cfg.schedule_cfg", None, instead="options are constant")
    configuration.ignore(
        "evaluator_cfg.evaluate_with_whole_queue",
        "trainer_cfg.controller_optimizer",
        "trainer_cfg.controller_samples",
        "trainer_cfg.controller_steps",
        "trainer_cfg.controller_train_begin",
        "trainer_cfg.derive_samples",
        "trainer_cfg.interleave_controller_every",
    )


def check_random_controller(configuration: Configuration) -> None:
    """Read the keys of a controller of `CONTROLLERS`."""
    if configuration.get("controller_type") == FILE_SAMPLER:
        files = "for those of a file give `evaluate: {archs: FILE}` or `proxies: {archs: FILE}`"
        configuration.accept("controller_cfg.avoid_repeat", False, None, instead=files)
        configuration.note(
            "controller_cfg.archs_path", f"architectures are drawn from the whole space; {files}"
        )
        configuration.ignore("controller_cfg.shuffle_indexes")
    if configuration.get("controller_cfg.deiso"):
        configuration.note(
            "controller_cfg.deiso", "all cells are equally likely, isomorphic ones as well"
        )


def read_space(configuration: Configuration, data: str, is_trained: bool = True) -> str:
    """Return the space of the file; refuse others than those of `WEIGHTS`.

    Args:
        configuration: Configuration of aw_nas.
        data: Data set of the pipeline.
        is_trained: Whether a supernet is trained, so that its kind matters.
    """
    refuse_component(configuration, "search_space_type", *WEIGHTS)
    name = str(configuration.get("search_space_type"))
    managers = [WEIGHTS.get(name, "supernet")]
    if not is_trained:
        # The supernet of NAS-Bench-1Shot1's authors, for the same networks.
        managers.append("nasbench-101-official")
    refuse_component(configuration, "weights_manager_type", *managers)
    configuration.stop_at_faults()

    # Of networks that aw_nas looks up, which a training does not.
    configuration.ignore("search_space_cfg.load_nasbench")

    if name == "germ":
        return _nds(configuration)
    if name == "nasbench-201":
        check_classes(configuration, "weights_manager_cfg.num_classes", data)
        return nasbench201(configuration, "weights_manager_cfg")
    if name.startswith("nasbench-101-1shot-"):
        return _nasbench1shot1(configuration, name, data)
    if name == "nb301":
        # Its nodes read two different inputs, and no edge may carry nothing.
        operations = tuple(operation for operation in OPERATIONS if operation != NONE)
        return shared_cells(configuration, {"primitives": operations}, data)

    parameters = {**read_cells(configuration), "repeated_inputs": True}
    return shared_cells(configuration, parameters, data)


def _nasbench1shot1(configuration: Configuration, name: str, data: str) -> str:
    prefix = "weights_manager_cfg"
    check_classes(configuration, f"{prefix}.num_classes", data)
    configuration.accept(f"{prefix}.stem_multiplier", 1, instead="`nasbench1shot1` has one stem")
    configuration.note(
        "search_space_type", "networks have three stacks of three cells, as in NAS-Bench-101"
    )
    channels = int(configuration.number(f"{prefix}.init_channels", 16))
    return f"nasbench1shot1(stem_channels={channels}, subspace={name[-1]})"


def _nds(configuration: Configuration) -> str:
    """Return a space of NDS, of whose supernets germ's are not defined by a file of the user."""
    prefix = "weights_manager_cfg"
    key = f"{prefix}.germ_supernet_type"
    name = configuration.get(key)
    configuration.accept(f"{prefix}.germ_def_file", None, instead=OWN_MODEL)
    if name not in NDS:
        configuration.refuse(key, OWN_MODEL)
        return "nds-resnet"

    return NDS[name]


def _check_channels(configuration: Configuration) -> None:
    """Refuse supernets of germ whose channels are ranked by their weights."""
    if configuration.get("search_space_type") != "germ":
        return
    key = "weights_manager_cfg.germ_supernet_cfg.force_ordinal"
    if configuration.get(key) is not True:
        configuration.refuse(key, "supernets of NDS share the first channels; set true")
