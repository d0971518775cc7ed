"""Presets have the numbers of the authors' releases; each test names the files that they stand
in.
"""

import pytest

from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import algorithm, preset


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


@pytest.mark.parametrize("order", ["default", "second-order"])
def test_darts(order: str) -> None:
    """quark0/darts: cnn/train_search.py, cnn/architect.py (Adam, `r`), cnn/model_search.py (the
    first logits).
    """
    chosen = preset("darts", {"preset": order})
    assert weights(chosen) == (50, 64, 0.025, 0.001, 3e-4, 0.9, False, 5.0)
    assert logits(chosen) == (3e-4, (0.5, 0.999), 1e-3)
    assert (chosen.options.epsilon, chosen.options.arch_init) == (0.01, 1e-3)


def test_gdas() -> None:
    """D-X-Y/AutoDL-Projects.

    configs/search-opts/GDAS-NASNet-CIFAR.config, configs/nas-benchmark/algos/GDAS.config,
    exps/algos/GDAS.py (clip, betas), scripts-search/GDAS-search-NASNet-space.sh (temperatures,
    logits).
    """
    cells, benchmark = preset("gdas", {}), preset("gdas", {"preset": "nasbench201"})
    assert weights(cells) == (250, 256, 0.025, 0.001, 5e-4, 0.9, True, 5.0)
    assert weights(benchmark) == (240, 64, 0.025, 0.001, 5e-4, 0.9, True, 5.0)
    for chosen in (cells, benchmark):
        assert logits(chosen) == (3e-4, (0.5, 0.999), 1e-3)
        assert (chosen.options.first_temperature, chosen.options.last_temperature) == (10.0, 0.1)


def test_snas() -> None:
    """SNAS-Series/SNAS-Series: SNAS/train_search.py, SNAS/README.md (the search with 8 cells)."""
    chosen = preset("snas", {})
    assert weights(chosen) == (150, 64, 0.025, 0.001, 3e-4, 0.9, False, 5.0)
    assert logits(chosen) == (3e-4, (0.5, 0.999), 1e-3)
    options = chosen.options
    assert (options.first_temperature, options.last_temperature, options.resource) == (
        1.0,
        0.03,
        0.01,
    )
    assert options.arch_init == 0.01


def test_enas() -> None:
    """melodyguan/enas: scripts/cifar10_micro_search.sh, src/cifar10/main.py (units, baseline),
    src/utils.py (Adam).
    """
    chosen = preset("enas", {})
    assert weights(chosen) == (150, 160, 0.05, 0.0005, 2 * 1e-4, 0.9, True, None)
    options = chosen.options
    assert (options.controller_learning_rate, options.controller_steps, options.aggregate) == (
        0.0035,
        30,
        10,
    )
    assert options.tanh_constant == pytest.approx(1.10 / 2.5)
    assert (options.hidden, options.entropy_weight, options.baseline_decay) == (64, 1e-4, 0.99)
    assert options.temperature == 1.0  # controller_temperature is None
    assert options.controller_epsilon == 1e-3


def test_ofa() -> None:
    """mit-han-lab/once-for-all: train_ofa_net.py, base_batch_size times the 32 processes of its
    README.
    """
    recipe = preset("ofa", {}).recipe
    assert (recipe.weight_decay, recipe.label_smoothing, recipe.momentum, recipe.nesterov) == (
        3e-5,
        0.1,
        0.9,
        True,
    )
    assert (recipe.schedule, recipe.batch_size) == ("cosine", 64 * 32)
    assert (
        preset("ofa", {}).options.samples + 2 == 4
    )  # facebookresearch/AttentiveNAS: num_arch_training


def test_every_preset_falls_by_a_cosine() -> None:
    for name in ("darts", "gdas", "snas", "fbnet", "enas", "fairnas", "ofa"):
        for chosen in algorithm(name).presets.values():
            assert chosen.recipe.schedule == "cosine", name
