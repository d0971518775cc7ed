"""Presets have the numbers of the authors' releases; each test names the files that they stand
in.
"""

import pytest

from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import algorithm, preset
from tests.published import published


def weights(chosen: Preset) -> tuple[object, ...]:
    recipe, options = chosen.recipe, chosen.options
    rates = recipe.learning_rate, options.least_learning_rate
    return (
        recipe.epochs,
        recipe.batch_size,
        *rates,
        recipe.weight_decay,
        recipe.momentum,
        recipe.nesterov,
        recipe.clip,
    )


def logits(chosen: Preset) -> tuple[object, ...]:
    options = chosen.options
    return options.arch_learning_rate, options.arch_betas, options.arch_weight_decay


def published_logits() -> tuple[object, ...]:
    """DARTS' optimiser of logits, which GDAS and SNAS have too."""
    return tuple(
        published(f"darts.architecture.{name}")
        for name in ("learning_rate", "betas", "weight_decay")
    )


@pytest.mark.parametrize("order", ["default", "second-order"])
def test_darts(order: str) -> None:
    """quark0/darts: cnn/train_search.py, cnn/architect.py (Adam, `r`), cnn/model_search.py (the
    first logits).
    """
    chosen = preset("darts", {"preset": order})
    names = ("epochs", "batch", "learning_rate", "least_learning_rate", "weight_decay")
    names += ("momentum", "nesterov", "clip")
    assert weights(chosen) == tuple(published(f"darts.search.{name}") for name in names)
    assert logits(chosen) == published_logits()
    assert chosen.options.epsilon == published("darts.architecture.epsilon")
    assert chosen.options.arch_init == published("darts.architecture.initial")


def test_gdas() -> None:
    """D-X-Y/AutoDL-Projects.

    configs/search-opts/GDAS-NASNet-CIFAR.config, configs/nas-benchmark/algos/GDAS.config,
    exps/algos/GDAS.py (clip, betas), scripts-search/GDAS-search-NASNet-space.sh (temperatures,
    logits).
    """
    cells, benchmark = preset("gdas", {}), preset("gdas", {"preset": "nasbench201"})
    assert weights(cells) == (250, 256, 0.025, 0.001, 5e-4, 0.9, True, 5.0)
    names = ("epochs", "batch", "learning_rate", "least_learning_rate", "weight_decay")
    names += ("momentum", "nesterov")
    expected = [published(f"gdas.nasbench201.{name}") for name in names]
    assert weights(benchmark) == (*expected, published("gdas.clip"))
    assert benchmark.recipe.warmup == published("gdas.nasbench201.warmup")
    assert cells.recipe.epochs == published("gdas.cells.epochs")
    assert cells.recipe.batch_size == published("gdas.cells.batch")
    for chosen in (cells, benchmark):
        assert logits(chosen) == published_logits()
        assert chosen.options.first_temperature == published("gdas.first_temperature")
        assert chosen.options.last_temperature == published("gdas.last_temperature")


@pytest.mark.parametrize(
    ("name", "row"), [("default", "resource"), ("earlier", "earlier_resource")]
)
def test_snas(name: str, row: str) -> None:
    """SNAS-Series/SNAS-Series: SNAS/train_search.py, SNAS/README.md (the search with 8 cells)."""
    chosen = preset("snas", {"preset": name})
    assert weights(chosen) == (150, 64, 0.025, 0.001, 3e-4, 0.9, False, 5.0)
    assert chosen.recipe.epochs == published("snas.epochs")
    assert chosen.recipe.clip == published("snas.clip")
    assert logits(chosen) == published_logits()
    options = chosen.options
    assert options.first_temperature == published("snas.first_temperature")
    assert options.last_temperature == published("snas.last_temperature")
    assert options.resource == published(f"snas.{row}")
    assert options.arch_init == 0.01


@pytest.mark.parametrize("name", ["default", "release"])
def test_enas(name: str) -> None:
    """melodyguan/enas: scripts/cifar10_micro_search.sh, src/cifar10/main.py (units, baseline),
    src/utils.py (Adam).
    """
    chosen = preset("enas", {"preset": name})
    rows = ("epochs", "batch", "learning_rate", "least_learning_rate")
    child = tuple(published(f"enas.child.{row}") for row in rows)
    assert weights(chosen) == (*child, 2 * published("enas.child.l2"), 0.9, True, None)
    options = chosen.options
    assert options.controller_learning_rate == published("enas.controller.learning_rate")
    assert options.controller_steps == published("enas.controller.steps")
    assert options.tanh_constant == pytest.approx(
        published("enas.controller.tanh_constant")
        / published("enas.controller.operation_tanh_reduce")
    )
    assert options.controller_epsilon == published("enas.controller.epsilon")
    for row in ("aggregate", "hidden", "entropy_weight", "baseline_decay"):
        assert getattr(options, row) == published(f"enas.controller.{row}"), row
    assert options.batch_per_path == published("enas.controller.batch_per_path")
    assert (options.ppo_clip > 0) == published("enas.controller.ppo")
    assert options.temperature == 1.0  # controller_temperature is None


def test_ofa() -> None:
    """mit-han-lab/once-for-all: train_ofa_net.py, base_batch_size times the 32 processes of its
    README.
    """
    for name in ("default", "expand"):
        recipe = preset("ofa", {"preset": name}).recipe
        for field in ("weight_decay", "label_smoothing", "momentum", "nesterov"):
            assert getattr(recipe, field) == published(f"ofa.{field}"), field
        assert recipe.schedule == "cosine"
        assert recipe.batch_size == published("ofa.batch_per_gpu") * published("ofa.gpus")
    largest, expand = (preset("ofa", {"preset": name}) for name in ("default", "expand"))
    assert largest.recipe.learning_rate == published("ofa.largest.learning_rate")
    assert largest.recipe.epochs == published("ofa.largest.epochs")
    rate, epochs, sub_networks = published("ofa.expand_2")
    assert expand.recipe.learning_rate == pytest.approx(rate * published("ofa.gpus"))
    assert expand.recipe.epochs == epochs
    # The largest and the smallest with the random ones; AttentiveNAS' num_arch_training is 4 too.
    assert expand.options.samples + 2 == sub_networks
    assert expand.options.distillation == published("ofa.distillation")


def test_every_preset_falls_by_a_cosine() -> None:
    for name in (
        "darts",
        "gdas",
        "snas",
        "fbnet",
        "enas",
        "fairnas",
        "ofa",
        "ofa-progressive",
        "pc-darts",
    ):
        for chosen in algorithm(name).presets.values():
            assert chosen.recipe.schedule == "cosine", name
