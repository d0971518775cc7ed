"""NNI's trainer under its name, and the command."""

import inspect
import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import spaces
from oneshot.algorithms.epochs import read_epochs
from oneshot.algorithms.proxyless.options import PAPER_RECIPE, ProxylessOptions
from oneshot.algorithms.registry import preset
from oneshot.commands import main
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import FixedArchitecture
from oneshot.nni import ProxylessNasTrainer, ProxylessTrainer
from spaces.architecture import Architecture
from spaces.errors import UnknownName
from tables.cost.model import counting_model
from tests.oneshot.algorithms.proxyless_toys import Net, Residual, split

NNI = {
    "label_smoothing": 0.1,
    "n_epochs": 120,
    "init_lr": 0.025,
    "binary_mode": "full_v2",
    "arch_init_type": "normal",
    "arch_init_ratio": 1e-3,
    "arch_optim_lr": 1e-3,
    "arch_weight_decay": 0,
    "grad_update_arch_param_every": 5,
    "grad_update_steps": 1,
    "warmup": True,
    "warmup_epochs": 25,
    "arch_valid_frequency": 1,
    "load_ckpt": False,
    "ckpt_path": None,
    "arch_path": None,
}
TINY = (
    "proxylessnas-tiny(channels=(8, 12), first_channels=8, head_channels=16, input_size=8,"
    " repeats=(2, 2), strides=(1, 2))"
)


def loader(count: int, seed: int = 0) -> "DataLoader[tuple[torch.Tensor, ...]]":
    """Batches of 32 in order."""
    return DataLoader(TensorDataset(*split(count, seed).tensors()), batch_size=32)


def trainer(model: nn.Module, **options: object) -> ProxylessNasTrainer:
    given = {
        "n_epochs": 8,
        "warmup_epochs": 1,
        "arch_optim_lr": 0.1,
        "grad_update_arch_param_every": 1,
        **options,
    }
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    return ProxylessNasTrainer(model, optimizer, "cpu", loader(192), loader(96, 1), **given)  # type: ignore[arg-type]


def test_every_argument_of_nni_s_trainer_is_there_with_its_default() -> None:
    parameters = inspect.signature(ProxylessNasTrainer).parameters
    assert list(parameters)[:5] == [
        "model",
        "model_optim",
        "device",
        "train_loader",
        "valid_loader",
    ]
    found = {
        name: item.default
        for name, item in parameters.items()
        if item.default is not inspect.Parameter.empty
    }
    assert {name: found[name] for name in NNI} == NNI
    assert list(parameters)[5:21] == list(NNI)
    assert ProxylessTrainer is ProxylessNasTrainer


def test_the_trainer_searches_and_exports(tmp_path: Path) -> None:
    """The best path; NNI's masks; the found network alone computes what the model computes on this
    path.
    """
    torch.manual_seed(0)
    model = Net()
    trained = trainer(model, arch_path=tmp_path / "arch.json", ckpt_path=tmp_path / "ckpt.pt")
    trained.train()
    masks = json.loads((tmp_path / "arch.json").read_text())
    assert masks == {"a.first": [False, True, False], "second": [True, False, False]}
    trained.export(tmp_path / "again.json", weights=tmp_path / "network.safetensors")
    network = trained.network()
    assert (
        set(load_file(tmp_path / "network.safetensors"))
        == set(network.state_dict())
        == {"head.weight", "head.bias"}
    )
    images = split(6).images
    trained.mutator.unbind()
    FixedArchitecture(model, masks)
    assert torch.equal(network(images), model(images))
    # A trainer that loads the checkpoint stands where this one stood.
    other = trainer(Net(), load_ckpt=True, ckpt_path=tmp_path / "ckpt.pt")
    other.load(tmp_path / "ckpt.pt")
    assert other.codes() == trained.codes()
    assert torch.equal(other.model.head.weight, model.head.weight)  # type: ignore[arg-type,union-attr]


def test_the_trainer_takes_a_cost(tmp_path: Path) -> None:
    model = Residual(2)
    space = spaces.from_model(model, torch.randn(1, 3, 4, 4))
    cost = counting_model(space, "flops")
    ends = []
    for weight in (None, cost):
        torch.manual_seed(0)
        search = trainer(
            Residual(2), cost=weight, form="add#linear", folder=tmp_path / str(weight is None)
        )
        if weight is not None:
            assert search.algorithm.term is not None
            object.__setattr__(search.algorithm.term, "weight", 5.0)
        search.train()
        ends.append(float(search.mutator.expected_cost(cost).detach()))
    assert ends[1] < 0.8 * ends[0]
    logged = read_epochs(tmp_path / "False")
    assert [line["epoch"] for line in logged] == list(range(1, 10))
    assert logged[-1]["unit"] == "multiply-accumulates"
    assert logged[-1]["expected_cost"] == pytest.approx(ends[1], rel=1e-6)


def test_mistakes_of_the_trainer_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="load_ckpt needs ckpt_path"):
        trainer(Net(), load_ckpt=True)
    with pytest.raises(InvalidOption, match="n_epochs must be at least 1, not 0"):
        trainer(Net(), n_epochs=0)
    with pytest.raises(
        InvalidOption, match="valid_loader needs a length above 0, as a DataLoader has"
    ):
        ProxylessNasTrainer(Net(), None, "cpu", loader(32), iter([]))  # type: ignore[arg-type]
    (tmp_path / "ckpt.pt").write_bytes(b"nonsense")
    with pytest.raises(InvalidOption, match=r"ckpt_path: .*ckpt.pt does not fit this model"):
        trainer(Net()).load(tmp_path / "ckpt.pt")


# Presets and the command


def test_presets_are_the_published_settings() -> None:
    paper = preset("proxyless", {"preset": "paper"})
    assert (paper.recipe.epochs, paper.recipe.batch_size, paper.recipe.learning_rate) == (
        160,
        256,
        0.025,
    )
    assert paper.recipe.nesterov
    assert paper.recipe.schedule == "cosine"
    assert paper.options == ProxylessOptions(warmup_epochs=40, warmup_learning_rate=0.05)
    assert preset("proxyless", {}, images=1_200_000).recipe == PAPER_RECIPE
    assert preset("proxyless", {"preset": "nni"}).options.warmup_epochs == 25
    assert preset("proxyless", {"arch_optim_lr": 1}).options.arch_optim_lr == 1.0
    with pytest.raises(UnknownName, match="preset 'best'"):
        preset("proxyless", {"preset": "best"})
    with pytest.raises(
        InvalidOption, match="proxyless has no option 'learning_rate'; it has: preset, binary_mode"
    ):
        preset("proxyless", {"learning_rate": 0.1})
    with pytest.raises(InvalidOption, match=r"binary_mode must be like 'full_v2'.*, not 2"):
        preset("proxyless", {"binary_mode": 2})


@pytest.mark.slow
def test_the_command_leaves_an_architecture_that_keeps_the_constraint(tmp_path: Path) -> None:
    """Epochs in the log and in TensorBoard, the network with its weights, and a refusal of other
    settings.
    """
    least, greatest = (bound.value for bound in counting_model(spaces.get(TINY), "macs").bounds())
    maximum = round((least + greatest) / 2)
    command = [
        "train",
        "--space",
        TINY,
        "--algorithm",
        "proxyless",
        "--epochs",
        "3",
        "--limit",
        "300",
    ]
    command += [
        "--constraint",
        f"flops<={maximum}",
        "--option",
        "binary_mode=two",
        "--with-network",
    ]
    command += ["--threads", "1", "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "run"
    architecture = Architecture.from_json((folder / "architecture.json").read_text())
    macs = spaces.get(TINY).macs(architecture)
    assert 0.95 * maximum <= macs <= maximum
    assert f"predicted macs: {macs:.6g} multiply-accumulates" in done.output
    assert "epoch 3: " in done.stderr
    settings = json.loads((folder / "run.json").read_text())
    assert settings["options"]["binary_mode"] == "two"
    assert settings["held_out"] == "validation"
    assert settings["data"]["images"]["validation"] > 0
    rows = json.loads((folder / "probabilities.json").read_text())
    assert all(sum(row.values()) == pytest.approx(1, abs=1e-5) for row in rows.values())
    assert [line["epoch"] for line in read_epochs(folder)] == [1, 2, 3]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard" / "architecture"))
    events.Reload()
    assert len(events.Scalars("architecture/expected_cost")) == 3
    assert (
        len([tag for tag in events.Tags()["scalars"] if tag.startswith("probability/layer_1/")])
        == 7
    )
    tested = CliRunner().invoke(main, ["test", str(folder / "network")])
    assert tested.exit_code == 0, tested.output
    other = CliRunner().invoke(main, [*command[:-2], "--seed", "1", "--resume", "-o", str(folder)])
    assert other.exit_code == 2
    assert "holds a run with seed 0, not 1" in " ".join(other.stderr.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--target", "flops"],
            "--target is for algorithms that train an architecture, not for spos",
        ),
        (
            ["--option", "a=1"],
            "--option is for algorithms that train an architecture, not for spos",
        ),
        (
            ["--algorithm", "proxyless", "--option", "two"],
            "write NAME=VALUE, such as binary_mode=two",
        ),
        (
            ["--algorithm", "proxyless", "--sampler", "fair"],
            "--sampler, --cost-range and --table are for spos",
        ),
        (["--algorithm", "proxyless", "--constraint", "flops<=1"], "the smallest network of"),
        (["--algorithm", "proxyless", "--target", "latency"], "unknown metric 'latency'"),
        (
            ["--algorithm", "proxyless", "--option", "warmup_epochs=9", "--epochs", "3"],
            "warmup_epochs must leave epochs",
        ),
    ],
)
def test_the_command_refuses_before_anything_is_written(
    options: list[str], said: str, tmp_path: Path
) -> None:
    command = ["train", "--space", TINY, "--limit", "100", *options, "-o", str(tmp_path / "run")]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 2
    assert said in " ".join(found.stderr.split())
    assert not (tmp_path / "run").exists()
