"""Replacements of the components of aw_nas that a pipeline has no counterpart for."""

from __future__ import annotations

from oneshot.pipeline.aw_nas.configuration import Configuration

_DETECTION = "detect with `space: ofa-mobilenetv3(head=ssdlite)` and `task: detection`"
OWN_MODEL = "write the model with LayerChoice, ValueChoice and Repeat (docs/how-to/own-model.md)"
_PREDICTOR = "train it by: python -m predictor train --encoder {} --data EVALUATIONS"
_TABLES = "measure tables by the stage `profile`, or: python -m profiler build"
_BENCHMARK = "search by `guide: benchmark:NAME` and `strategy: {}`"
_CLOSE = "CLOSE's curriculum is not there; the supernet of `algorithm: spos` shares all weights"
_ATTACKS = "train by `under: [clean=0.5, 'pgd(epsilon=0.031)=0.5']`"

INSTEAD = {
    ("search_space_type", "dense_rob"): f"use `space: dense-cells`; {_ATTACKS}",
    ("search_space_type", "ensemble"): "use `space: ensemble(space=..., members=...)`",
    ("search_space_type", "general"): OWN_MODEL,
    ("search_space_type", "germ"): OWN_MODEL,
    ("search_space_type", "germ_wrapper"): OWN_MODEL,
    ("search_space_type", "ofa_mixin"): f"use `space: ofa-mobilenetv3`; {_TABLES}",
    ("search_space_type", "rnn"): "use `space: rnn` and `task: language`",
    ("search_space_type", "ssd_ofa"): _DETECTION,
    ("search_space_type", "ssd_ofa_mixin"): f"{_DETECTION}; {_TABLES}",
    ("search_space_type", "wrapper"): _DETECTION,
    ("dataset_type", "coco"): "give --data coco:FOLDER",
    ("dataset_type", "imagenet"): "give --data and the path of its folder",
    ("dataset_type", "miniimagenet"): "give --data and the path of its folder",
    ("dataset_type", "ptb"): "give --data text:FOLDER, for `task: language`",
    ("dataset_type", "svhn"): "give --data svhn",
    ("dataset_type", "tiny-imagenet"): "give --data and the path of its folder",
    ("dataset_type", "voc"): "give --data voc:FOLDER",
    (
        "controller_type",
        "evo",
    ): "train by `train: {algorithm: spos}`, then search by `strategy: aging`",
    ("controller_type", "cars"): "search by `algorithm: cars` on a space such as nasbench201",
    ("controller_type", "file-sampler"): "give `evaluate: {archs: FILE}`",
    ("controller_type", "hw_ofa"): "search by `strategy: pareto`, `objective: latency_ms@profile`",
    ("controller_type", "nasbench-101-evo"): _BENCHMARK.format("aging"),
    ("controller_type", "nasbench-101-sa"): _BENCHMARK.format("annealing"),
    ("controller_type", "nasbench-201-evo"): _BENCHMARK.format("aging"),
    ("controller_type", "nasbench-201-sa"): _BENCHMARK.format("annealing"),
    ("controller_type", "ofa-evo"): "search by `strategy: aging`",
    ("controller_type", "pareto-evo"): (
        "train by `train: {algorithm: spos}`, then search by `strategy: pareto`"
    ),
    ("evaluator_type", "bf_tune"): "search by `guide: bf_tune:DATA`",
    ("evaluator_type", "multi_shot_evaluator"): ("search by `guide: multishot:RUN,RUN@flops=2e9`"),
    ("evaluator_type", "tune"): "search by `guide: tune:DATA`",
    ("objective_type", "adversarial_robustness_flops"): f"{_ATTACKS}, with `charge`",
    ("objective_type", "adversarial_robustness_objective"): _ATTACKS,
    ("objective_type", "container"): "search by `guide: sum:...`",
    ("objective_type", "detection"): _DETECTION,
    ("objective_type", "fault_injection"): "train by `under: [clean=0.5, feature-faults=0.5]`",
    ("objective_type", "latency"): "train by `algorithm: fbnet` with `target: latency_ms@profile`",
    ("objective_type", "mmdetection_head"): (
        "mmdetection is not needed: `space: ofa-mobilenetv3(head=ssdlite)`, fpn or bifpn"
    ),
    ("objective_type", "ofa_classification"): (
        "train by `algorithm: ofa`, or retrain by `init-from-supernet: FOLDER`"
    ),
    ("objective_type", "saf_injection"): "train by `under: [clean=0.5, weight-faults=0.5]`",
    ("objective_type", "zero-shot"): "score by the stage `proxies`",
    ("controller_type", "rejection_sample"): "search by `strategy: random`",
    ("weights_manager_type", "closenet"): _CLOSE,
    ("weights_manager_type", "germ_close"): _CLOSE,
    ("weights_manager_type", "nasbench-201-close"): _CLOSE,
    ("trainer_type", "async"): "searches run in parallel by themselves; use `search`",
    ("trainer_type", "meta"): "train by `algorithm: reptile`",
    ("final_model_type", "cnn_patch_final_model"): "use `space: darts` and the stage `retrain`",
    ("final_model_type", "dense_rob_final_model"): (
        f"use `space: dense-cells` and the stage `retrain`; {_ATTACKS}"
    ),
    ("final_model_type", "det_final_model"): _DETECTION,
    ("final_model_type", "general_final_model"): OWN_MODEL,
    ("final_model_type", "ofa_final_model"): (
        "name the architecture by `retrain: {arch: FILE, init-from-supernet: FOLDER}`"
    ),
    ("final_model_type", "ssd_final_model"): _DETECTION,
    ("final_model_type", "wrapper_final_model"): _DETECTION,
    ("mixin_search_space_type", "ofa_mixin"): _TABLES,
    ("mixin_search_space_type", "ssd_ofa_mixin"): _TABLES,
}
"""(Key, its value) -> what to use instead."""

ENCODERS = {
    "anytime": "ta-gates",
    "fbflow": "ta-gates",
    "flow": "gates",
    "gcn": "gcn",
    "linegcn": "gcn",
    "lstm": "lstm",
}
"""Last part of the name of an embedder of architectures -> encoder."""

_EMBEDDER = "arch_network_cfg.arch_embedder_type"
"""Key of files for the scripts that train a predictor, which describe no search."""


def refuse_component(configuration: Configuration, key: str, *accepted: str) -> None:
    """Refuse a component unless it is one of those that a conversion accepts."""
    name = configuration.get(key)
    if name not in accepted:
        expected = f"the conversion takes {', '.join(accepted)}"
        configuration.refuse(key, INSTEAD.get((key, str(name)), expected))


def refuse_all(configuration: Configuration) -> None:
    """Refuse a configuration of another kind by each of its components; raises with all of them."""
    for key, name in INSTEAD:
        if configuration.is_set(key) and configuration.get(key) == name:
            configuration.refuse(key, INSTEAD[key, name])

    if not configuration.faults and configuration.is_set(_EMBEDDER):
        configuration.refuse(_EMBEDDER, _PREDICTOR.format(_arguments(configuration)))

    if not configuration.faults:
        _refuse_combination(configuration)
    configuration.stop_at_faults()


def _arguments(configuration: Configuration) -> str:
    """Return the encoder of a predictor, and the columns where experts learn some."""
    if configuration.get("arch_network_type") == "dynamic_ensemble_pointwise_comparator":
        return "dele --columns FILE"
    return encoder_of(configuration.get(_EMBEDDER)) or "ENCODER"


def encoder_of(embedder: object) -> str | None:
    """Return the encoder that has the part of an embedder such as `nb201-flow`; None: none has."""
    return ENCODERS.get(str(embedder).rpartition("-")[2])


def _refuse_combination(configuration: Configuration) -> None:
    components = ("search_space_type", "controller_type", "final_model_type")
    present = [key for key in components if configuration.is_set(key)]
    for key in present:
        configuration.refuse(key, "see docs/how-to/from-aw_nas.md for those that are converted")
    if not present:
        configuration.refuse(
            "search_space_type", "a configuration of a search or a training has it"
        )
