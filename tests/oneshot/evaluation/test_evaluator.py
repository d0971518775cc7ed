"""Evaluation of sub-networks: recalibrated, on fixed images, one independent of the other."""

import copy
import dataclasses
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import spaces
from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.evaluator import Evaluator, quality
from oneshot.evaluation.recalibration import recalibrate
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.perturbations import Conditions, Perturbation, register_perturbation
from oneshot.perturbations.registry import PERTURBATIONS
from spaces import ChainSpace, Supernet

FEW = EvaluationSettings(recalibration_batch_size=32, recalibration_batches=2)


def test_order_of_candidates_does_not_matter(
    supernet: Supernet, images: ImageData, small: ChainSpace
) -> None:
    codes = np.array([[0, 1, 2], [3, 3, 3], [0, 0, 0], [3, 1, 0]])
    evaluator = Evaluator(supernet, images)
    forward = [evaluator.evaluate(row) for row in codes]
    backward = [evaluator.evaluate(row) for row in codes[::-1]][::-1]
    assert forward == backward
    fresh = Evaluator(copy.deepcopy(supernet), images)
    assert fresh.evaluate(codes[2]) == forward[2]
    assert len({found["cross_entropy"] for found in forward}) == 4


@pytest.mark.parametrize(
    "name",
    [
        "chain",
        "nasbench201(cells=1, channels=4, input_size=16)",
        "ofa-mobilenetv3(depths=(1, 2), resolutions=(16, 24), width=0.25)",
    ],
)
def test_many_at_once_are_as_each_alone_bit_by_bit(
    name: str, supernet: Supernet, images: ImageData, small: ChainSpace
) -> None:
    space: spaces.SearchSpace = small
    if name != "chain":
        space = spaces.get(name)
        supernet = space.supernet(3)
    codes = space.sample(np.random.default_rng(0), 12 if name == "chain" else 3)
    codes = np.concatenate([codes, codes[:2]])
    evaluator = Evaluator(supernet, images, FEW)
    alone = [Evaluator(copy.deepcopy(supernet), images, FEW).evaluate(row) for row in codes]
    assert evaluator.evaluate_many(codes) == alone
    assert evaluator.evaluate_many(codes[::-1]) == alone[::-1]
    told: list[tuple[float, str]] = []
    evaluator.evaluate_many(codes[:2], lambda *state: told.append(state))
    assert told == [(0.5, "1/2"), (1.0, "2/2")]
    assert evaluator.evaluate_many(codes[:0]) == []


def test_conditions_of_inputs_share_beginnings_without_changing_a_bit(
    supernet: Supernet, images: ImageData, small: ChainSpace
) -> None:
    codes = small.sample(np.random.default_rng(1), 10)
    texts = ["clean=1", "noise=0.5"]
    with PERTURBATIONS.preserved():
        calls = _register_noise(uses_model=True)
        conditions = Conditions.parse(texts)
        separate = Evaluator(supernet, images, FEW, conditions=conditions).evaluate_many(codes)
        separate_calls = len(calls)
    with PERTURBATIONS.preserved():
        calls = _register_noise(uses_model=False)
        conditions = Conditions.parse(texts)
        together = Evaluator(supernet, images, FEW, conditions=conditions).evaluate_many(codes)

    assert together == separate
    assert together[0]["top1_noise"] != together[0]["top1"]
    # Inputs are perturbed once for all paths, so that equal first layers read equal features.
    assert len(calls) * len(codes) == separate_calls


def _register_noise(uses_model: bool) -> list[int]:
    """Register noise on the inputs as a perturbation, and return a list that its calls grow."""
    calls: list[int] = []

    class Noise(Perturbation):
        def around(self, model: Any, inputs: Any, loss_at: Any, generator: Any) -> Any:
            calls.append(len(inputs))
            noise = torch.rand(inputs.shape, generator=generator)
            return nullcontext(inputs + 2 * noise)

    Noise.uses_model = uses_model
    register_perturbation("noise")(Noise)
    return calls


@pytest.mark.parametrize("budget", [0, 150_000, 10**12])
def test_memory_for_shared_features_changes_no_bit(
    budget: int, supernet: Supernet, images: ImageData, small: ChainSpace
) -> None:
    codes = small.sample(np.random.default_rng(1), 15)
    whole = Evaluator(supernet, images, FEW).evaluate_many(codes)
    assert Evaluator(supernet, images, FEW, budget=budget).evaluate_many(codes) == whole


def test_contexts_do_not_leak_to_the_caller(supernet: Supernet, images: ImageData) -> None:
    settings = EvaluationSettings(precision="bf16")
    for _ in Evaluator(supernet, images, settings).stream(np.array([[0, 1, 2], [0, 1, 3]])):
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")


def test_bf16_is_close_to_fp32(supernet: Supernet, images: ImageData) -> None:
    codes = np.array([[0, 1, 2], [3, 3, 3]])
    exact = Evaluator(supernet, images).evaluate_many(codes)
    half = Evaluator(supernet, images, EvaluationSettings(precision="bf16")).evaluate_many(codes)
    for one, other in zip(exact, half, strict=True):
        assert one["cross_entropy"] != other["cross_entropy"]
        assert one["cross_entropy"] == pytest.approx(other["cross_entropy"], rel=0.05)


@pytest.mark.gpu
def test_a_gpu_gives_nearly_the_same(
    supernet: Supernet, images: ImageData, small: ChainSpace
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    codes = small.sample(np.random.default_rng(1), 10)
    here = Evaluator(copy.deepcopy(supernet), images, FEW).evaluate_many(codes)
    there = Evaluator(supernet, images, FEW, device="gpu").evaluate_many(codes)
    for one, other in zip(here, there, strict=True):
        assert one["cross_entropy"] == pytest.approx(other["cross_entropy"], rel=1e-2)


@pytest.mark.parametrize(
    ("device", "said"), [("tpu", "device must be cpu, gpu"), ("gpu:9", "this torch sees")]
)
def test_devices_that_are_not_there_are_refused(
    device: str, said: str, supernet: Supernet, images: ImageData
) -> None:
    with pytest.raises(InvalidOption, match=said):
        Evaluator(supernet, images, device=device)


def test_weights_are_left_alone(supernet: Supernet, images: ImageData) -> None:
    before = {name: value.clone() for name, value in supernet.named_parameters()}
    state = torch.get_rng_state()
    Evaluator(supernet, images).evaluate(np.array([0, 1, 2]))
    assert all(torch.equal(value, before[name]) for name, value in supernet.named_parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in supernet.modules() if not list(module.children()))


@pytest.mark.parametrize(
    ("count", "size", "batches", "used"),
    [(100, 40, 9, [40, 40]), (100, 20, 3, [20] * 3), (30, 128, 200, [30])],
)
def test_statistics_are_those_of_the_training_images(
    supernet: Supernet, count: int, size: int, batches: int, used: list[int]
) -> None:
    """Layer by layer: what enters a normalisation, its mean and unbiased variance, averaged over
    batches.
    """
    generator = torch.Generator().manual_seed(3)

    def split(number: int) -> ImageSplit:
        return ImageSplit.from_tensors(
            torch.randn(number, 3, 16, 16, generator=generator), torch.arange(number) % 3
        )

    data = ImageData("many", split(count), split(20), split(20), 3, 0)
    settings = EvaluationSettings(recalibration_batch_size=size, recalibration_batches=batches)
    evaluator = Evaluator(supernet, data, settings)
    evaluator.evaluate(np.array([3, 0, 1]))
    assert [len(batch) for batch in evaluator.images.recalibration] == used
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    reference = copy.deepcopy(supernet).eval()

    def normalise(name: str) -> object:
        def hook(
            module: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor
        ) -> torch.Tensor:
            x = given[0]
            flat = x.transpose(0, 1).reshape(x.shape[1], -1)
            seen.setdefault(name, []).append((flat.mean(1), flat.var(1)))
            mean, variance = flat.mean(1), flat.var(1, unbiased=False)
            return (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()

        return hook

    active = {id(module) for part in reference.path() for module in part.modules()}
    for name, module in reference.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(normalise(name))
    with torch.no_grad():
        for batch in evaluator.images.recalibration:
            reference(batch)
    found = dict(supernet.named_modules())
    norms = {
        name
        for name, module in reference.named_modules()
        if isinstance(module, nn.BatchNorm2d) and id(module) in active
    }
    assert set(seen) == norms
    for name, statistics in seen.items():
        norm = found[name]
        assert isinstance(norm, nn.BatchNorm2d)
        mean, variance = (torch.stack(part).mean(0) for part in zip(*statistics, strict=True))
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-3, atol=1e-4)
        assert norm.momentum == 0.1


def test_what_does_not_run_keeps_its_statistics(supernet: Supernet, images: ImageData) -> None:
    with torch.no_grad():
        for name, value in supernet.named_buffers():
            if "running_mean" in name:
                value.fill_(7.0)
    Evaluator(supernet, images).evaluate(np.array([0, 0, 0]))
    ran = {id(value) for part in supernet.path() for value in part.buffers()}
    for name, value in supernet.named_buffers():
        if "running_mean" in name:
            assert bool((value == 7.0).all()) is (id(value) not in ran), name


def test_recalibration_is_one_of_the_whole_model_by_default(images: ImageData) -> None:
    norm = nn.BatchNorm2d(3)
    model = nn.Sequential(nn.Dropout(0.9), norm)
    batches = torch.split(images.train.images, 32)
    recalibrate(model, batches)
    flat = [batch.transpose(0, 1).reshape(3, -1) for batch in batches]
    assert norm.running_mean is not None
    torch.testing.assert_close(
        norm.running_mean, torch.stack([part.mean(1) for part in flat]).mean(0)
    )
    assert not model.training


def test_metrics_are_those_of_the_whole_split(supernet: Supernet, images: ImageData) -> None:
    found = Evaluator(supernet, images).evaluate(np.array([1, 2, 3]))
    with torch.no_grad():
        logits = supernet.eval()(images.validation.images)
    assert found["cross_entropy"] == pytest.approx(
        functional.cross_entropy(logits, images.validation.labels).item(), rel=1e-5
    )
    assert found["top1"] == pytest.approx(
        100 * (logits.argmax(1) == images.validation.labels).float().mean().item()
    )
    assert found["top5"] == 100  # there are three classes
    # Batches of any size, also with a short last one, give the same.
    for batch in (1, 7, 48):
        part = quality(supernet, images.validation, batch)
        assert set(part) == {"cross_entropy", "top1", "top5"}
        assert part["cross_entropy"] == pytest.approx(found["cross_entropy"], rel=1e-5)


def test_top5_counts_the_five_best() -> None:
    logits = torch.arange(12.0).repeat(12, 1)
    split = ImageSplit(logits[:, :, None, None], torch.arange(12))
    assert quality(nn.Flatten(), split)["top5"] == pytest.approx(100 * 5 / 12)
    assert quality(nn.Flatten(), split)["top1"] == pytest.approx(100 / 12)


def test_dropout_is_off(images: ImageData) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(768, 3))
    model.train()
    first = quality(model, images.validation)
    assert [quality(model, images.validation) for _ in range(3)] == [first] * 3


def test_a_diverged_supernet_is_told(supernet: Supernet, images: ImageData) -> None:
    with torch.no_grad():
        next(supernet.parameters()).fill_(float("nan"))
    with pytest.raises(
        InvalidRun, match="outputs are not finite: its training diverged; lower --learning-rate"
    ):
        Evaluator(supernet, images).evaluate(np.array([0, 0, 0]))


def test_statistics_of_batches_equal_a_direct_computation(
    supernet: Supernet, images: ImageData
) -> None:
    """As aw_nas evaluates: normalisation by each batch, dropout off, and nothing is updated."""
    settings = EvaluationSettings(images=40, batch_size=16, statistics="batch")
    evaluator = Evaluator(supernet, images, settings)
    codes = supernet.space.sample(np.random.default_rng(3), 3)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    found = evaluator.evaluate_many(codes)

    for row, metrics in zip(codes, found, strict=True):
        supernet.activate(row)
        losses = []
        for batch, targets in zip(
            evaluator.images.validation, evaluator.images.targets, strict=True
        ):
            # A copy in training mode: its own statistics may change.
            own = copy.deepcopy(supernet).train()
            for module in own.modules():
                if isinstance(module, nn.Dropout):
                    module.eval()
            with torch.no_grad():
                losses.append(functional.cross_entropy(own(batch), targets, reduction="sum").item())
        assert metrics["cross_entropy"] == pytest.approx(sum(losses) / 40, rel=1e-4)

    after = supernet.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_statistics_are_recorded_only_where_they_differ() -> None:
    assert "statistics" not in EvaluationSettings().to_dict()
    assert EvaluationSettings(statistics="batch").to_dict()["statistics"] == "batch"
    with pytest.raises(InvalidOption, match="statistics must be one of"):
        EvaluationSettings(statistics="running")


def test_surrogate_steps_equal_a_training_of_a_copy(supernet: Supernet, images: ImageData) -> None:
    settings = EvaluationSettings(
        images=40,
        recalibration_batch_size=16,
        recalibration_batches=2,
        surrogate_steps=3,
        surrogate_learning_rate=0.05,
    )
    evaluator = Evaluator(supernet, images, settings)
    codes = supernet.space.sample(np.random.default_rng(3), 2)
    before = {name: value.clone() for name, value in supernet.named_parameters()}
    found = evaluator.evaluate_many(codes)

    plain = dataclasses.replace(settings, surrogate_steps=0)
    for row, metrics in zip(codes, found, strict=True):
        own = copy.deepcopy(supernet)
        own.activate(row)
        weights = [weight for module in own.path() for weight in module.parameters()]
        optimizer = torch.optim.SGD(weights, lr=0.05)
        own.train()
        for module in own.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        # The third update begins with the first batch again.
        for number in (0, 1, 0):
            outputs = own(evaluator.images.recalibration[number])
            targets = evaluator.images.recalibration_targets[number]
            optimizer.zero_grad()
            functional.cross_entropy(outputs, targets).backward()
            optimizer.step()

        expected = Evaluator(own.eval(), images, plain).evaluate(row)
        assert metrics["cross_entropy"] == pytest.approx(expected["cross_entropy"], rel=1e-4)
        assert metrics["cross_entropy"] != pytest.approx(
            evaluator_without(supernet, images, plain, row), rel=1e-4
        )

    assert all(torch.equal(value, before[name]) for name, value in supernet.named_parameters())


def evaluator_without(
    supernet: Supernet, images: ImageData, settings: EvaluationSettings, row: Any
) -> float:
    """Return the cross-entropy of an architecture without surrogate steps."""
    return Evaluator(copy.deepcopy(supernet), images, settings).evaluate(row)["cross_entropy"]


@pytest.mark.parametrize("given", [{"surrogate_steps": -1}, {"surrogate_learning_rate": 0.0}])
def test_surrogate_settings_out_of_range_are_named(given: dict[str, float]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(given))):
        EvaluationSettings(**given)  # type: ignore[arg-type]
    assert "surrogate_steps" not in EvaluationSettings().to_dict()
