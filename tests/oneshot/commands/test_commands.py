"""`python -m oneshot`: the whole way on the digits, small."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spaces
from oneshot.search.result import SearchResult
from spaces import ChainSpace
from tables import LookupTable
from tests.oneshot.commands.running import ROOT, TINY, done, run

QUICK = ("--epochs", "1", "--threads", "1")
SPOS_SEARCH = ("search", "--space", "spos", "-o", "{new}")
TINY_SEARCH = ("search", "--space", "spos-tiny", "--guide", "supernet:x", "-o", "{new}")


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from oneshot.commands import main\nfor command in ([], ['train'],"
        " ['evaluate'], ['search'], ['retrain'], ['export']):\n    try: main([*command,"
        " '--help'])\n    except SystemExit as end: assert end.code == 0\nheavy = {'torch',"
        " 'lightning_fabric', 'scipy', 'sklearn', 'onnx', 'onnxruntime', 'rich', 'numpy'}\n"
        "assert not heavy & set(sys.modules), 'loaded'\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.count("Example:\n    python -m oneshot ") == 5
    module = [sys.executable, "-m", "oneshot", "--help"]
    shown = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: python -m oneshot [OPTIONS] COMMAND")


@pytest.fixture(scope="module")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a supernet that was trained for an epoch."""
    folder = tmp_path_factory.mktemp("runs") / "supernet"
    said = done("train", "--space", TINY, *QUICK, "--seed", 3, "-o", folder)
    assert said == f"wrote {folder}/weights.safetensors\n"
    return folder


def test_train_records_what_it_was(supernet: Path) -> None:
    settings = json.loads((supernet / "run.json").read_text())
    assert settings["kind"] == "supernet"
    assert (settings["space"], settings["seed"], settings["algorithm"]) == (TINY, 3, "spos")
    known = {"name": "digits", "split_seed": 0, "num_classes": 10}
    assert settings["data"].items() >= known.items()
    assert settings["recipe"]["epochs"] == 1
    assert settings["version"] == spaces.__version__
    assert settings["command"]


def test_train_wants_a_folder_of_its_own(supernet: Path) -> None:
    before = (supernet / "weights.safetensors").read_bytes()
    refused = run("train", "--space", TINY, *QUICK, "--seed", 3, "-o", supernet)
    assert refused.exit_code == 2
    assert (
        refused.stderr
        == f"Error: {supernet} holds a run already; choose another folder, or go on with --resume\n"
    )
    other = run("train", "--space", TINY, *QUICK, "--seed", 4, "--resume", "-o", supernet)
    assert (other.exit_code, other.stderr) == (
        2,
        f"Error: {supernet} holds a run with seed 3, not 4\n",
    )
    done("train", "--space", TINY, *QUICK, "--seed", 3, "--resume", "-o", supernet)
    assert (supernet / "weights.safetensors").read_bytes() == before


@pytest.fixture(scope="module")
def found(supernet: Path, small: ChainSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a search by the supernet."""
    path = tmp_path_factory.mktemp("search") / "result.json"
    limit = int(np.median(small.macs(np.concatenate(list(small.enumerate_codes())))))
    space = ("--space", TINY, "--guide", f"supernet:{supernet}", "--constraint", f"flops<={limit}")
    options = ("--option", "generations=2", "--option", "population=4")
    said = done("search", *space, *options, "--count", 3, "--seed", 1, "-o", path)
    assert said.splitlines()[0].startswith("best of 8: score -")
    assert said.splitlines()[1] == f"wrote {path}"
    return path


def test_search_ranks_by_the_supernet(found: Path, small: ChainSpace) -> None:
    whole = json.loads(found.read_text())
    result = SearchResult.from_dict(whole)
    (constraint,) = whole["constraints"]
    assert result.costs["macs"].max() <= constraint["maximum"]
    assert (constraint["metric"], constraint["table"], constraint["margin"]) == ("macs", None, 1.64)
    assert len(whole["best"]) == 3
    assert (whole["seed"], whole["strategy"]["options"]) == (1, {"generations": 2, "population": 4})
    assert np.array_equal(result.costs["macs"], small.macs(result.codes))


def test_random_search_is_a_strategy(supernet: Path, tmp_path: Path) -> None:
    space = ("--space", TINY, "--guide", f"supernet:{supernet}")
    done(
        "search",
        *space,
        "--strategy",
        "random",
        "--option",
        "evaluations=3",
        "-o",
        tmp_path / "r.json",
    )
    result = SearchResult.from_dict(json.loads((tmp_path / "r.json").read_text()))
    assert (len(result), result.strategy["name"], result.constraints) == (3, "random", [])


@pytest.mark.slow
def test_what_was_found_is_retrained_and_exported(found: Path, tmp_path: Path) -> None:
    folder, path = tmp_path / "network", tmp_path / "network.onnx"
    said = done("retrain", "--arch", found, *QUICK, "-o", folder)
    report = json.loads((folder / "test.json").read_text())
    assert (report["images"], report["data"], report["split"]) == (400, "digits", "test")
    low, high = report["top1_interval"]
    assert 0 <= low <= report["top1"] <= high <= 100
    assert said.startswith(f"test top-1 {report['top1']:.2f} (95%: {low:.2f} to {high:.2f}), ")
    assert f"top-5 {report['top5']:.2f}" in said.splitlines()[0]
    assert "on 400 images of digits\n" in said
    best = json.loads(found.read_text())["best"][0]["architecture"]
    assert json.loads((folder / "run.json").read_text())["architecture"] == best
    exported = done("export", folder, "-o", path)
    assert exported.startswith(f"wrote {path} (opset 18, dynamic batch, ")
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--space", "sops", "-o", "{new}"), "unknown space 'sops'; available: "),
        (
            ("train", "--data", "cifar", "-o", "{new}"),
            "unknown data set 'cifar'; available: bdd100k, cifar10, cifar100, coco",
        ),
        (("train", "--epochs", "0", "-o", "{new}"), "epochs must be positive, not 0"),
        (
            ("train", "--learning-rate", "-1", "-o", "{new}"),
            "learning_rate must be positive, not -1.0",
        ),
        (
            ("train", "--label-smoothing", "1", "-o", "{new}"),
            "label_smoothing must lie in [0, 1), not 1.0",
        ),
        (("train", "--seed", "-1", "-o", "{new}"), "Invalid value for '--seed': -1"),
        (
            ("train", "--seed", "99999999999", "-o", "{new}"),
            "Invalid value for '--seed': 99999999999",
        ),
        (
            ("train", "--algorithm", "dirts", "-o", "{new}"),
            "Invalid value for '--algorithm': 'dirts'",
        ),
        (("train",), "Missing option '-o'"),
        (("evaluate", "{empty}", "-o", "{new}"), "{empty} holds no run of Pathfit's"),
        (("evaluate", "{supernet}", "-n", "0", "-o", "{new}"), "Invalid value for '-n': 0"),
        (
            ("evaluate", "{supernet}", "--archs", "{large}", "-o", "{new}"),
            "{large}: this is an architecture of spos, not of",
        ),
        (
            ("evaluate", "{supernet}", "--archs", "{broken}", "-o", "{new}"),
            "{broken}: '{{' is in no format",
        ),
        (("evaluate", "{supernet}", "-o", "{broken}"), "{broken}, line 1: not JSON"),
        (
            ("retrain", "--arch", "{broken}", "-o", "{new}"),
            "{broken}: '{{' is in no format of an architecture",
        ),
        (
            ("export", "{supernet}", "-o", "{new}"),
            "{supernet} holds the run of a supernet; a network is needed",
        ),
        (
            ("search", "--space", "sops", "--guide", "supernet:x", "-o", "{new}"),
            "unknown space 'sops'",
        ),
        ((*SPOS_SEARCH, "--guide", "oracle:x"), "--guide 'oracle:x': a guide is predictor:"),
        ((*SPOS_SEARCH, "--guide", "supernet:"), "--guide 'supernet:': a guide is"),
        ((*SPOS_SEARCH, "--guide", "supernet:no"), "no holds no run of Pathfit's"),
        (
            ("search", "--space", "spos", "--guide", "supernet:{supernet}", "-o", "{new}"),
            "--guide 'supernet:{supernet}' is one for spos-tiny(",
        ),
        (
            (*TINY_SEARCH, "--constraint", "flops<3"),
            "not a constraint: 'flops<3'",
        ),
        (
            (*TINY_SEARCH, "--constraint", "flops<=3"),
            "the smallest network of spos-tiny has ",
        ),
        (
            (*TINY_SEARCH, "--constraint", "latency_ms<=3@no"),
            "unknown table 'no'; available: made-up",
        ),
        (
            (*TINY_SEARCH, "--constraint", "latency_ms<=0.1@made-up"),
            "the fastest network of spos-tiny takes ",
        ),
        (
            (*TINY_SEARCH, "--strategy", "luck"),
            "unknown strategy 'luck'",
        ),
        (
            (*TINY_SEARCH, "--option", "generations"),
            "--option 'generations': write NAME=VALUE, such as generations=10",
        ),
        (
            (*TINY_SEARCH, "--option", "steps=3"),
            "evolution has no option 'steps'",
        ),
    ],
)
def test_bad_input_is_one_line(
    supernet: Path,
    table: LookupTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    files = {name: str(tmp_path / name) for name in ("new", "empty", "broken", "large")}
    files["supernet"] = str(supernet)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").write_text("{\n")
    (tmp_path / "large").write_text(spaces.get("spos").architecture([0] * 20).to_json())
    table.save(tmp_path / "tables" / "made-up.json")
    monkeypatch.setenv("PATHFIT_TABLES", str(tmp_path / "tables"))
    monkeypatch.chdir(tmp_path)
    result = run(*(argument.format(**files) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {said.format(**files)}")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_training_of_one_epoch_is_the_same_in_another_process(
    supernet: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    command = [
        sys.executable,
        "-m",
        "oneshot",
        "train",
        "--space",
        TINY,
        *QUICK,
        "--seed",
        "3",
        "-o",
        str(folder),
    ]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "Warning" not in again.stderr
    assert (folder / "weights.safetensors").read_bytes() == (
        supernet / "weights.safetensors"
    ).read_bytes()
    assert (
        "python -m oneshot train --space"
        in json.loads((folder / "run.json").read_text())["command"]
    )
