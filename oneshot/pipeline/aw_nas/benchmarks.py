"""Searches of aw_nas in which a benchmark answers for the trained networks."""

from __future__ import annotations

import math
from typing import Any

from oneshot.pipeline.aw_nas.configuration import Configuration
from oneshot.pipeline.aw_nas.replacements import ENCODERS, encoder_of, refuse_component
from oneshot.pipeline.aw_nas.sampled import CONTROLLERS, check_random_controller

BENCHMARKS = {"nasbench-101": "nasbench101", "nasbench-201": "nasbench201"}
"""Name of the space and of its look-up evaluator in aw_nas -> space and benchmark."""

_LEAST_INITIAL = 10
"""Fewest evaluations before the first predictor of `predictor-loop`."""

_ANNEALING = {"nasbench-101-sa": 0.95, "nasbench-201-sa": 0.98}
"""Controller that anneals -> its factor of the temperature by default."""

_PERCENT = 100
"""Accuracies here are percents, and fractions in aw_nas."""


def convert_benchmark_search(configuration: Configuration) -> dict[str, Any]:
    """Return the pipeline of a search in a benchmark.

    Searches by a predictor, evolution and annealing, and random ones, are converted.
    """
    name = str(configuration.get("search_space_type"))
    refuse_component(configuration, "evaluator_type", name)
    refuse_component(configuration, "objective_type", "classification")
    refuse_component(configuration, "weights_manager_type", "stub")
    refuse_component(configuration, "trainer_type", "simple")
    configuration.ignore("search_space_cfg", "evaluator_cfg", "objective_cfg", "dataset_type")
    configuration.ignore("dataset_cfg", "weights_manager_cfg")
    _check_trainer(configuration)

    strategy, options = _strategy(configuration)
    search = {
        "guide": f"benchmark:{BENCHMARKS[name]}",
        "strategy": strategy,
        "count": configuration.number("trainer_cfg.derive_samples", 1),
        "option": options,
    }
    return {"space": BENCHMARKS[name], "search": search}


def _strategy(configuration: Configuration) -> tuple[str, dict[str, Any]]:
    """Return the strategy of the controller, and its options."""
    controller = str(configuration.get("controller_type"))
    if controller == "predictor-based":
        return "predictor-loop", _loop_options(configuration)
    if controller in CONTROLLERS:
        check_random_controller(configuration)
        return "random", {"evaluations": _num_evaluations(configuration)}
    if controller in _ANNEALING:
        return "annealing", _annealing_options(configuration, _ANNEALING[controller])
    if controller == "nasbench-101-evo":
        return "aging", _nasbench101_options(configuration)
    if controller == "nasbench-201-evo":
        return "aging", _nasbench201_options(configuration)

    refuse_component(
        configuration,
        "controller_type",
        "evo",
        "nasbench-101-evo",
        "nasbench-201-evo",
        "predictor-based",
        *_ANNEALING,
        *CONTROLLERS,
    )
    return "aging", _aging_options(configuration)


def _check_trainer(configuration: Configuration) -> None:
    for name in ("controller_optimizer", "controller_scheduler", "schedule_cfg"):
        configuration.accept(f"trainer_cfg.{name}", None, instead="strategies have none")
    configuration.accept("trainer_cfg.evaluator_steps", 0, None, instead="nothing is trained")
    configuration.accept("trainer_cfg.controller_train_every", 1, instead="each epoch searches")
    configuration.accept("trainer_cfg.controller_train_begin", 0, 1, instead="all rounds search")
    configuration.ignore(
        "trainer_cfg.interleave_controller_every", "trainer_cfg.rollout_batch_size"
    )
    configuration.accept("controller_cfg.schedule_cfg", None, instead="options are constant")


def _loop_options(configuration: Configuration) -> dict[str, Any]:
    """Return the options of `predictor-loop`: an epoch of aw_nas is a round."""
    configuration.accept("trainer_cfg.controller_steps", 1, instead="an epoch is one round")
    batch = int(configuration.required_number("trainer_cfg.controller_samples"))
    epochs = int(configuration.required_number("trainer_cfg.epochs"))

    # Rounds are random until so many networks are known, and the first one always is.
    begin = int(configuration.number("controller_cfg.begin_train_num", 0))
    random_rounds = max(1, math.ceil(max(begin, _LEAST_INITIAL) / batch))

    configuration.accept(
        "controller_cfg.arch_network_type",
        "pointwise_comparator",
        instead="train dele with --columns FILE, and search by `guide: predictor:FILE`",
    )
    configuration.accept(
        "controller_cfg.pretrained_predictor_path",
        None,
        instead="search by `guide: predictor:FILE`",
    )
    embedder = "controller_cfg.arch_network_cfg.arch_embedder_type"
    encoder = encoder_of(configuration.get(embedder))
    if encoder is None:
        configuration.refuse(embedder, f"there are {', '.join(sorted(set(ENCODERS.values())))}")

    _note_predictor(configuration)
    return {
        "initial": random_rounds * batch,
        "batch": batch,
        "rounds": max(0, epochs - random_rounds),
        "predictor": encoder or "gates",
    }


def _note_predictor(configuration: Configuration) -> None:
    """Note settings of the predictor, and of the search by it, that the strategy has itself."""
    for name in ("arch_network_cfg", "predictor_train_cfg"):
        configuration.note_all(f"controller_cfg.{name}", "the encoder has its published settings")
    configuration.note(
        "controller_cfg.inner_controller_type",
        "the predictor ranks a pool of random networks and of neighbours of the best",
    )
    configuration.ignore("controller_cfg.predict_batch_size")
    configuration.ignore(*configuration.keys("controller_cfg.inner_"))


def _aging_options(configuration: Configuration) -> dict[str, Any]:
    """Return the options of `aging`, aw_nas's `evo` with elimination by age."""
    configuration.accept(
        "controller_cfg.elimination_strategy", "regularized", instead="the oldest leave"
    )
    configuration.ignore("controller_cfg.eval_sample_strategy")
    return {
        "evaluations": _num_evaluations(configuration),
        "population": configuration.number("controller_cfg.population_size", 100),
        "tournament": configuration.number("controller_cfg.parent_pool_size", 10),
        "batch": int(configuration.number("trainer_cfg.controller_samples", 1)),
    }


def _nasbench101_options(configuration: Configuration) -> dict[str, Any]:
    """Return the options of `aging` for the evolution of NAS-Bench-101, which is aged as well."""
    configuration.accept("controller_cfg.mutation_prob", 1, instead="a child differs in one choice")
    configuration.note("controller_cfg.mutation_prob", "a child differs in one choice")
    # A step has one child, however many are asked for.
    configuration.ignore("trainer_cfg.controller_samples")
    return {
        "evaluations": _num_steps(configuration),
        "population": configuration.number("controller_cfg.population_nums", 100),
        "tournament": configuration.number("controller_cfg.parent_pool_size", 10),
        "batch": 1,
    }


def _nasbench201_options(configuration: Configuration) -> dict[str, Any]:
    """Return the options of `aging` for the evolution of NAS-Bench-201 by the best of all."""
    key = "controller_cfg.population_nums"
    population = configuration.number(key, 100)
    configuration.note(
        "trainer_cfg.controller_samples",
        "all children of a step join the population, the best one alone in aw_nas",
    )
    return {
        "evaluations": _num_evaluations(configuration),
        "population": population,
        # Parents are the best of the whole population.
        "tournament": population,
        "batch": int(configuration.number("trainer_cfg.controller_samples", 1)),
    }


def _annealing_options(configuration: Configuration, cooling: float) -> dict[str, Any]:
    """Return the options of `annealing`, whose score is an accuracy in percent."""
    configuration.accept(
        "trainer_cfg.controller_samples", 1, None, instead="a step proposes one neighbour"
    )
    configuration.note(
        "controller_cfg.mutation_edges_prob", "a neighbour differs in one choice, an edge or not"
    )
    return {
        "evaluations": _num_steps(configuration),
        "temperature": configuration.number("controller_cfg.temperature", 1000) * _PERCENT,
        "cooling": configuration.number("controller_cfg.anneal_coeff", cooling),
    }


def _num_evaluations(configuration: Configuration) -> int:
    """Return the number of architectures that a search evaluates."""
    return _num_steps(configuration) * int(
        configuration.number("trainer_cfg.controller_samples", 1)
    )


def _num_steps(configuration: Configuration) -> int:
    """Return the number of steps of the controller in all epochs."""
    epochs = int(configuration.required_number("trainer_cfg.epochs"))
    return epochs * int(configuration.number("trainer_cfg.controller_steps", 1))
