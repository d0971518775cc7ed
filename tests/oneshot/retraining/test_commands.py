"""`retrain` and `test` from the command line."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import spaces
from oneshot.export.onnx import export
from oneshot.export.onnx_network import OnnxNetwork
from oneshot.retraining.published import RECIPES, Published
from oneshot.run import Run, read_run, without_folders
from oneshot.tasks.classification import wilson
from spaces import ChainSpace
from spaces.errors import InvalidFile
from tests.oneshot.commands.running import ROOT, done, run

QUICK = ("--epochs", "1", "--limit", "96", "--threads", "1", "--no-tensorboard")


@pytest.fixture(scope="module")
def supernet(small: ChainSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "supernet"
    done("train", "--space", small.name, *QUICK, "-o", folder)
    return folder


@pytest.fixture(scope="module")
def network(small: ChainSpace, supernet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that began with the supernet's weights, the second of a list of two."""
    folder = tmp_path_factory.mktemp("runs")
    archs = folder / "archs.jsonl"
    archs.write_text(
        "\n".join(small.architecture(codes).to_json() for codes in ([0, 1, 2], [3, 0, 2]))
    )
    regularised = ("--mixup", 0.2, "--ema", 0.9, "--cutout", 4)
    begin = ("--init-from-supernet", supernet)
    said = done(
        "retrain",
        "--arch",
        archs,
        "--index",
        1,
        *begin,
        *regularised,
        *QUICK,
        "-o",
        folder / "network",
    )
    assert said.splitlines()[0].startswith("test top-1 ")
    assert said.splitlines()[0].endswith(" on 96 images of digits")
    told = (
        f"wrote {folder}/network/weights.safetensors; export it with: python -m oneshot export"
        f" {folder}/network "
    )
    assert said.splitlines()[1].startswith(told)
    return folder / "network"


def test_retrain_records_what_it_was(network: Path, supernet: Path, small: ChainSpace) -> None:
    settings = json.loads((network / "run.json").read_text())
    assert settings["architecture"] == small.architecture([3, 0, 2]).to_dict()
    told = settings["retraining"]
    assert (told["mixup"], told["ema"], told["cutout"], told["augment"]) == (0.2, 0.9, 4, True)
    assert settings["init"] == {
        "run": str(supernet),
        "weights": read_run(supernet).weights_digest(),
        "kind": "supernet",
    }
    assert settings["classes"] == list("0123456789")
    report = json.loads((network / "test.json").read_text())
    assert report["top1_interval"] == list(wilson(report["top1"], 96))
    assert report["top1"] <= report["top5"]


def test_retrain_goes_on_only_with_its_settings(network: Path, supernet: Path) -> None:
    again = (
        "--arch",
        network / "run.json",
        "--init-from-supernet",
        supernet,
        *QUICK,
        "-o",
        network,
        "--resume",
    )
    other = run("retrain", *again, "--mixup", 0.2, "--ema", 0.99, "--cutout", 4)
    assert other.exit_code == 2
    assert f"{network} holds a run with retraining " in other.stderr
    before = (network / "weights.safetensors").read_bytes()
    done("retrain", *again, "--mixup", 0.2, "--ema", 0.9, "--cutout", 4)
    assert (network / "weights.safetensors").read_bytes() == before


def test_test_tells_what_retrain_told(network: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    said = done("test", network, "-o", output)
    found, told = json.loads(output.read_text()), json.loads((network / "test.json").read_text())
    assert found == {**told, "network": str(network)}
    assert said.startswith(f"test top-1 {told['top1']:.2f} ")


def test_an_exported_network_is_tested_alike(network: Path, tmp_path: Path) -> None:
    path, reports = tmp_path / "network.onnx", []
    export(read_run(network), path, fold_bn=True)
    assert OnnxNetwork(path).input_shape == (3, 16, 16)
    for given in ((network,), (path,), (path, "--data", "digits", "--limit", 96)):
        done("test", *given, "-o", tmp_path / "report.json")
        reports.append(json.loads((tmp_path / "report.json").read_text()))
    for report in reports[1:]:
        assert report["top1"] == reports[0]["top1"]
        assert report["cross_entropy"] == pytest.approx(reports[0]["cross_entropy"], rel=1e-4)


def test_an_exported_network_asks_for_its_folder_of_images(network: Path, tmp_path: Path) -> None:
    run_there = read_run(network)
    data = {**run_there.settings.data, "name": str(tmp_path / "photographs")}
    export(
        Run(network, dataclasses.replace(run_there.settings, data=data)), tmp_path / "network.onnx"
    )
    refused = run("test", tmp_path / "network.onnx")
    assert refused.exit_code == 2
    assert refused.stderr.endswith(
        "was trained on 'photographs', which is not found; give --data FOLDER\n"
    )


def test_settings_for_others_tell_no_folder(network: Path, supernet: Path) -> None:
    settings = read_run(network).settings.to_dict()
    under = ["clean=0.5", "pgd(source='/home/me/other')=0.5"]
    found = without_folders(
        {
            **settings,
            "data": {**settings["data"], "name": "cifar10:/data/cifar"},
            "under": under,
        }
    )
    assert str(supernet.parent) in json.dumps(settings)
    assert found["data"] == {**settings["data"], "name": "cifar10"}
    assert found["init"] == {**settings["init"], "run": "supernet"}
    assert found["under"] == ["clean=0.5", "pgd(source='other')=0.5"]
    rest = settings.keys() - {"command", "data", "init", "under"}
    assert {name: found[name] for name in rest} == {name: settings[name] for name in rest}
    assert found.keys() == {*settings, "under"} - {"command"}


@pytest.fixture
def unregistered() -> Iterator[None]:
    from oneshot.data.registry import DATA

    with DATA.preserved():
        yield


def test_other_data_of_as_many_classes_are_taken(
    network: Path, tmp_path: Path, monkeypatch: Any, unregistered: None
) -> None:
    from oneshot.data import registry

    source = registry.DATA.get("digits")

    def halved(request: Any) -> Any:
        return dataclasses.replace(source(request), num_classes=5)

    registry.register_data("halved")(halved)
    refused = run("test", network, "--data", "halved")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "Error: --data 'halved' has 5 classes, the network 10\n",
    )
    said = done("test", network, "--data", "digits")
    assert said.endswith("on 400 images of digits\n")


def test_models_of_a_fixed_batch_are_run_in_parts(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    path = tmp_path / "fixed.onnx"
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("image", [2, 3, 4, 4]), ("logits", [2, 48]))
    ]
    graph = helper.make_graph([helper.make_node("Flatten", ["image"], ["logits"])], "fixed", *ends)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10),
        str(path),
    )
    images = torch.randn(5, 3, 4, 4)
    assert torch.equal(OnnxNetwork(path)(images), images.flatten(1))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nonsense")
    with pytest.raises(InvalidFile, match="onnxruntime cannot load it"):
        OnnxNetwork(path)
    refused = run("test", path)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"Error: {path}: onnxruntime cannot load it")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--arch", "nothing"), "nothing is no file, and no published network: "),
        (
            ("--arch", "spos", "--space", "{small}"),
            "an architecture of spos has other choices than spos-tiny(",
        ),
        (
            ("--arch", "{arch}", "--index", "1"),
            "index: {arch} holds 1 architectures, counted from 0, and no 1",
        ),
        (("--arch", "{arch}", "--drop-path", "0.2"), "drop_path is for networks of cells"),
        (("--arch", "{arch}", "--auxiliary", "0.4"), "auxiliary: networks of spos-tiny("),
        (("--arch", "{arch}", "--ema", "1"), "ema must lie in [0, 1), not 1.0"),
        (
            ("--arch", "{arch}", "--cutout", "4", "--no-augment"),
            "cutout and colour_jitter are augmentations",
        ),
        (("--arch", "{arch}", "--colour-jitter", "0.4"), "jitter needs pixels"),
        (
            ("--arch", "{arch}", "--init-from-supernet", "{folder}"),
            "{folder} holds no run of Pathfit's",
        ),
        (("--arch", "{arch}", "--epochs", "0"), "epochs must be positive, not 0"),
    ],
)
def test_bad_input_is_one_line(
    small: ChainSpace, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    names = {"small": small.name, "arch": str(tmp_path / "arch.json"), "folder": str(tmp_path)}
    (tmp_path / "arch.json").write_text(small.architecture([0, 0, 0]).to_json())
    result = run(
        "retrain", *(argument.format(**names) for argument in arguments), "-o", tmp_path / "new"
    )
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {said.format(**names)}")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_cell_network_is_retrained_with_its_head(tmp_path: Path) -> None:
    space = "darts-tiny(channels=4, layers=3)"
    quick = (
        "--epochs",
        "1",
        "--limit",
        "64",
        "--batch-size",
        "16",
        "--threads",
        "1",
        "--no-tensorboard",
    )
    done(
        "retrain",
        "--arch",
        "darts-v2",
        "--space",
        space,
        "--drop-path",
        0.2,
        "--auxiliary",
        0.4,
        *quick,
        "-o",
        tmp_path / "run",
    )
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert settings["architecture"]["space"] == space
    assert settings["architecture"]["choices"] == dict(spaces.published("darts-v2").choices)
    assert (settings["retraining"]["auxiliary"], settings["retraining"]["drop_path"]) == (0.4, 0.2)


def test_the_papers_recipe_is_the_default_and_options_come_first(
    small: ChainSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Published(
        0,
        {"steps": 3, "batch_size": 48, "learning_rate": 0.2},
        {"ema": 0.8, "cutout": 2, "mixup": 0.1},
    )
    monkeypatch.setitem(RECIPES, "spos-tiny", paper)
    (tmp_path / "arch.json").write_text(small.architecture([0, 0, 0]).to_json())
    given = (
        "--learning-rate",
        0.05,
        "--mixup",
        0,
        "--limit",
        96,
        "--threads",
        1,
        "--no-tensorboard",
    )
    done("retrain", "--arch", tmp_path / "arch.json", *given, "-o", tmp_path / "run")
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    recipe, told = settings["recipe"], settings["retraining"]
    assert (recipe["steps"], recipe["batch_size"], recipe["learning_rate"]) == (3, 48, 0.05)
    assert (told["ema"], told["cutout"], told["mixup"], told["augment"]) == (0.8, 2, 0.0, True)


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from oneshot.commands import main\nfor command in ('retrain', 'test',"
        " 'export'):\n    try: main([command, '--help'])\n    except SystemExit as end: assert"
        " end.code == 0\nheavy = {'torch', 'lightning_fabric', 'scipy', 'sklearn', 'onnx',"
        " 'onnxruntime', 'rich', 'numpy'}\nassert not heavy & set(sys.modules), 'loaded'\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.count("Example:\n    python -m oneshot ") == 3
