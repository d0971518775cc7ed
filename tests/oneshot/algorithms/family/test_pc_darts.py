"""PC-DARTS: partial channels, edge normalisation, its limit DARTS, its memory."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.cells import derived, searchable, setting_space
from oneshot.algorithms.registry import algorithm, make, preset
from oneshot.commands import main
from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption
from oneshot.mutators.architecture import ArchitectureMutator
from oneshot.training import Stopped, fit
from oneshot.training.recipe import Recipe
from spaces.errors import InvalidArchitecture, InvalidParameter
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.partial import partial_mixture
from tests.published import published

NASBENCH201 = "nasbench201(cells=1, channels=8, input_size=16)"
DARTS = "darts(channels=8, input_size=16, layers=3, stem_multiplier=1)"
FEW_EDGES = (
    "darts(channels=8, input_size=16, layers=3, stem_multiplier=1, steps=2,"
    " primitives=('none', 'max_pool_3x3', 'skip_connect', 'sep_conv_3x3'))"
)


def search(
    space_name: str, name: str, images: ImageData, folder: Path | None = None, **options: Any
) -> tuple[spaces.SearchSpace, ArchitectureAlgorithm]:
    """Make a short search over a space; return the search's space and the algorithm."""
    chosen = preset(name, {"arch_learning_rate": 0.05, "arch_warmup": 0, **options}).options
    space = algorithm(name).search_space(spaces.get(space_name), chosen)
    recipe = Recipe(epochs=2, batch_size=48, learning_rate=0.05)
    setting = Setting(
        searchable(space.supernet(3)),
        recipe,
        images.validation,
        len(images.train),
        space=setting_space(space),
        folder=folder,
    )
    made = make(name, setting, chosen)
    assert isinstance(made, ArchitectureAlgorithm)
    return space, made


@pytest.mark.parametrize("divisor", [2, 4])
def test_partial_channels_are_shuffled_as_in_the_release(divisor: int) -> None:
    x = torch.randn(2, 8, 4, 4)
    count = 8 // divisor
    pool = nn.AvgPool2d(2)

    found = partial_mixture(pool, x, divisor)

    # The release: concatenation, then groups x channels transposed.
    halved = torch.cat([pool(x[:, :count]), nn.MaxPool2d(2, 2)(x[:, count:])], 1)
    expected = halved.view(2, divisor, count, 2, 2).transpose(1, 2).reshape(2, 8, 2, 2)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("space_name", [NASBENCH201, FEW_EDGES])
def test_without_both_changes_it_is_darts(
    space_name: str, images: ImageData, tmp_path: Path
) -> None:
    plain = {"channel_divisor": 1, "edge_normalisation": False}
    searched = []
    for name, options in (("darts", {}), ("pc-darts", plain)):
        space, made = search(space_name, name, images, **options)
        fit(made, images.train, tmp_path / name, seed=0)
        searched.append((made, derived(space, made)))

    (darts, first), (partial, second) = searched
    assert first.choices == second.choices
    for key, logits in darts.mutator.alpha.items():
        assert torch.equal(logits, partial.mutator.alpha[key]), key
    for key, value in darts.model.state_dict().items():
        assert torch.equal(value, partial.model.state_dict()[key]), key


@pytest.mark.parametrize("space_name", [NASBENCH201, DARTS])
def test_equal_edges_are_the_mean_of_darts_edges(space_name: str) -> None:
    models = []
    for edge_weights in (False, True):
        space = spaces.get(space_name).partial_search_space(1, edge_weights)
        model = searchable(space.supernet(3, torch.Generator().manual_seed(0))).eval()
        ArchitectureMutator(model, init_type="zeros").reset()
        models.append(model)
    for module in models[1].modules():
        if isinstance(module, InputChoice):
            # n times the mean is the sum.
            module.register_forward_hook(lambda choice, _, mean: mean * choice.n_candidates)

    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(models[0](x), models[1](x), rtol=1e-4, atol=1e-5)


def test_the_operations_have_a_part_of_the_channels() -> None:
    space = spaces.get("darts").partial_search_space(4, True)
    assert space.network_space is spaces.get("darts")
    model = searchable(space.supernet(3))
    edges = [module for module in model.modules() if isinstance(module, LayerChoice)]
    separable = [edge["sep_conv_3x3"] for edge in edges]
    widths = {
        part.in_channels
        for module in separable
        for part in module.modules()
        if isinstance(part, nn.Conv2d)
    }
    # 16, 32 and 64 channels of the release's network, divided by 4.
    assert widths == {4, 8, 16}
    nodes = {module.key for module in model.modules() if isinstance(module, InputChoice)}
    assert nodes == {f"{kind}_{node}_edges" for kind in ("normal", "reduce") for node in range(4)}


def test_derived_inputs_have_the_greatest_product_of_edge_and_operation() -> None:
    space = spaces.get(DARTS).partial_search_space(4, True)
    generator = torch.Generator().manual_seed(0)
    rows: dict[str, Tensor] = {}
    for kind in ("normal", "reduce"):
        for node in range(4):
            for source in range(node + 2):
                rows[f"{kind}_{node}_{source}"] = torch.rand(8, generator=generator).softmax(0)
            edges = torch.rand(node + 2, generator=generator) * 6
            rows[f"{kind}_{node}_edges"] = edges.softmax(0)

    found = space.derive(rows)

    assert found.space == spaces.get(DARTS).name
    for node in range(4):
        weights = rows[f"normal_{node}_edges"]
        products = [
            float(weights[source] * rows[f"normal_{node}_{source}"][1:].max())
            for source in range(node + 2)
        ]
        best = sorted(range(node + 2), key=lambda source: -products[source])[:2]
        assert found[f"normal_{node}_inputs"] == "+".join(map(str, sorted(best)))


def peak_bytes(space_name: str, divisor: int) -> int:
    """Return the most bytes that a step's forward and backward pass hold at once."""
    space = spaces.get(space_name).partial_search_space(divisor, divisor > 1)
    model = searchable(space.supernet(10))
    mutator = ArchitectureMutator(model)
    images = torch.randn(16, *space.input_shape)

    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        mutator.reset()
        model(images).square().mean().backward()

    results: Any = profiler.profiler
    events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


@pytest.mark.parametrize(
    "name", ["nasbench201(cells=1, input_size=16)", "darts(channels=16, input_size=16, layers=3)"]
)
def test_a_step_needs_less_than_half_of_the_memory_of_darts(name: str) -> None:
    whole, partial = peak_bytes(name, 1), peak_bytes(name, 4)
    # Activations of 16 images in a supernet are tens of megabytes: the counts are real.
    assert whole > 20e6
    assert partial <= 0.4 * whole


@pytest.mark.parametrize("space_name", [NASBENCH201, FEW_EDGES])
def test_joining_edges_again_changes_no_gradient(
    space_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.get(space_name).partial_search_space(4, True)
    images = torch.randn(2, *space.input_shape, generator=torch.Generator().manual_seed(1))

    def gradients() -> list[Tensor]:
        """Return gradients of weights and logits, and of the norm of those of the logits."""
        model = searchable(space.supernet(3, torch.Generator().manual_seed(0)))
        mutator = ArchitectureMutator(model)
        mutator.reset()
        logits, weights = mutator.arch_parameters(), list(model.parameters())
        first = torch.autograd.grad(
            model(images).square().mean(), [*logits, *weights], create_graph=True
        )
        norm = torch.stack([tensor.square().sum() for tensor in first[: len(logits)]]).sum()
        return [*first, *torch.autograd.grad(norm, logits)]

    again = gradients()
    monkeypatch.setattr("spaces.modules.edge_choices.checkpoint", lambda run, *x, **_: run(*x))
    for one, other in zip(again, gradients(), strict=True):
        assert torch.equal(one, other)


def test_an_interrupted_search_over_cells_ends_as_an_unbroken_one(
    images: ImageData, tmp_path: Path
) -> None:
    space, whole = search(NASBENCH201, "pc-darts", images, tmp_path / "whole")
    fit(whole, images.train, tmp_path / "whole", seed=0)
    _, broken = search(NASBENCH201, "pc-darts", images, tmp_path / "broken")
    loss, stopped = broken.loss, list[int]()

    def interrupting(inputs: Any, targets: Any, now: int, engine: Any) -> Tensor:
        if now == 1 and not stopped:
            stopped.append(now)
            os.kill(os.getpid(), signal.SIGINT)
        return loss(inputs, targets, now, engine)

    broken.loss = interrupting  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="stopped after update 2 of 4"):
        fit(broken, images.train, tmp_path / "broken", seed=0)
    _, again = search(NASBENCH201, "pc-darts", images, tmp_path / "broken")
    fit(again, images.train, tmp_path / "broken", seed=0)

    assert derived(space, again) == derived(space, whole)
    assert again.report() == whole.report()
    assert "node_3_edges" in whole.report()["probabilities"]


def train(folder: Path, space: str, *arguments: str) -> Any:
    command = ["train", "--space", space, "--algorithm", "pc-darts", "--data", "digits"]
    command += ["--limit", "32", "--epochs", "1", "--batch-size", "16", "--no-tensorboard"]
    return CliRunner().invoke(main, [*command, "-o", str(folder), *arguments])


def test_the_command_finds_an_architecture_of_the_requested_space(tmp_path: Path) -> None:
    result = train(tmp_path, DARTS, "--option", "arch_warmup=0", "--option", "channel_divisor=2")

    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "architecture.json").read_text())
    assert found["space"] == spaces.get(DARTS).name
    recorded = json.loads((tmp_path / "run.json").read_text())
    assert "channel_divisor=2" in recorded["space"]

    evaluated = CliRunner().invoke(
        main, ["evaluate", str(tmp_path), "-n", "2", "-o", str(tmp_path / "evaluations.jsonl")]
    )
    assert evaluated.exit_code == 2, evaluated.output
    assert "runs no single architecture" in evaluated.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("space", "arguments", "named"),
    [
        ("spos-tiny", (), "partial channels need a space of cells with operations on edges"),
        (DARTS, ("--option", "channel_divisor=3"), "channel_divisor must divide the 8 channels"),
        (DARTS, ("--option", "channel_divisor=0"), "channel_divisor must be at least 1, not 0"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    space: str, arguments: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    result = train(tmp_path / "run", space, *arguments)
    assert result.exit_code == 2
    assert named in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_partial_supernets_run_no_single_architecture() -> None:
    space = spaces.get(NASBENCH201).partial_search_space(4, True)
    supernet = space.supernet(3)
    assert not space.covers(spaces.get(NASBENCH201))
    with pytest.raises(InvalidArchitecture, match="runs no single architecture"):
        supernet.activate([0] * 6)
    with pytest.raises(InvalidParameter, match="strided stem has no search network"):
        spaces.get("darts-imagenet").partial_search_space(4, True)


def test_the_presets_are_those_of_the_releases() -> None:
    default, aw_nas = (preset("pc-darts", {"preset": name}) for name in ("default", "aw_nas"))
    for row in ("epochs", "batch", "learning_rate", "weight_decay", "momentum", "clip"):
        field = {"batch": "batch_size"}.get(row, row)
        assert getattr(default.recipe, field) == published(f"pc-darts.{row}"), row
    options = default.options
    assert options.arch_learning_rate == published("pc-darts.architecture.learning_rate")
    assert options.arch_weight_decay == published("pc-darts.architecture.weight_decay")
    assert options.arch_warmup == published("pc-darts.architecture.warmup")
    assert options.channel_divisor == published("pc-darts.channel_divisor")
    assert options.least_learning_rate == published("pc-darts.least_learning_rate")
    assert (aw_nas.recipe.batch_size, aw_nas.recipe.learning_rate) == published("pc-darts.aw_nas")
    with pytest.raises(InvalidOption, match="channel_divisor"):
        preset("pc-darts", {"channel_divisor": -1})
