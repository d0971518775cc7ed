"""`python -m predictor`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import predictor
import spaces
from predictor.commands import main
from spaces.architecture import Architecture

ROOT = Path(__file__).resolve().parents[3]
SPACE = spaces.get("spos-tiny")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(
        main, [str(argument) for argument in arguments], env={"COLUMNS": "120"}
    )


@pytest.fixture
def evaluations(tmp_path: Path) -> Path:
    codes = SPACE.sample(np.random.default_rng(0), 60)
    lines = []
    for architecture, row in zip(SPACE.decode(codes), codes.tolist(), strict=True):
        metrics = {"cross_entropy": 2 - 0.1 * sum(row), "top1": 50 + 2.0 * sum(row)}
        lines.append(
            json.dumps({"architecture": architecture.to_dict(), "metrics": metrics, "source": {}})
        )
    path = tmp_path / "evaluations.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def refused(result: Result, text: str) -> None:
    assert result.exit_code == 2, result.output
    assert text in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys\nfrom predictor.commands import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    shown, _, loaded = done.stdout.rpartition("LOADED")
    assert "train" in shown
    assert not {"torch", "torch_geometric", "sklearn", "scipy"} & set(loaded.split())


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "active", "bench"])
def test_every_command_shows_an_example(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert (
        f"Example:\n    python -m predictor {name} "
        in CliRunner().invoke(command, ["--help"]).output
    )


def test_from_evaluations_to_predictions(evaluations: Path, tmp_path: Path) -> None:
    output, report = tmp_path / "p.safetensors", tmp_path / "report.json"
    options = (
        "--data",
        evaluations,
        "--space",
        "spos-tiny",
        "--encoder",
        "gp",
        "--train",
        45,
        "--report",
        report,
    )
    trained = run("train", *options, "-o", output)
    assert trained.exit_code == 0, trained.output
    assert f"wrote {output}, trained on 45 evaluations" in trained.output
    found = json.loads(report.read_text())
    assert (found["trained_on"], found["tested_on"], found["seed"]) == (45, 15, 0)
    assert set(found["figures"]) == {"forest", "gp"}
    assert f"{found['figures']['forest']['kendall_tau']:.3f}" in trained.output
    evidence = predictor.load(output).trained_on["evidence"]
    tau = found["figures"]["gp"]["kendall_tau"]
    assert re.fullmatch(rf"evidence: 45 [a-z ]+; Kendall's tau {tau:.2f} on 15 others", evidence)

    evaluated = json.loads(run("evaluate", output, "--data", evaluations).stdout)
    assert evaluated["evaluations"] == 60
    assert evaluated["kendall_tau"] > 0.6  # of a lower cross-entropy the score is higher

    best, worst = SPACE.architecture([3] * 6), SPACE.architecture([0] * 6)
    lines = tmp_path / "archs.jsonl"
    lines.write_text(f"{best.to_json()}\n\n{worst.to_json()}\n")
    listed = tmp_path / "archs.json"
    listed.write_text(json.dumps([best.to_dict(), worst.to_dict()], indent=1))
    predicted = run("predict", output, lines)
    rows = [json.loads(line) for line in predicted.stdout.splitlines()]
    assert [row["architecture"] for row in rows] == [best.to_dict(), worst.to_dict()]
    assert rows[0]["mean"] > rows[1]["mean"]
    assert run("predict", output, listed).stdout == predicted.stdout


def test_active_names_what_is_least_known(evaluations: Path, tmp_path: Path) -> None:
    output = tmp_path / "p.safetensors"
    options = ("--data", evaluations, "--space", "spos-tiny", "--encoder", "gp", "--train", 45)
    assert run("train", *options, "-o", output).exit_code == 0
    found = run("active", output, "--count", 5, "--pool", 300, "--evaluated", evaluations)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    deviations = [row["deviation"] for row in rows]
    assert len(rows) == 5
    assert deviations == sorted(deviations, reverse=True)
    known = {
        json.dumps(json.loads(line)["architecture"])
        for line in evaluations.read_text().splitlines()
    }
    assert not known & {json.dumps(row["architecture"]) for row in rows}
    refused(run("active", output, "--count", 50, "--pool", 10), "fewer than 50")
    (tmp_path / "next.jsonl").write_text(found.stdout)
    again = run("predict", output, tmp_path / "next.jsonl")
    assert [json.loads(line)["architecture"] for line in again.stdout.splitlines()] == [
        r["architecture"] for r in rows
    ]


def test_evaluate_looks_at_what_was_trained_on(evaluations: Path, tmp_path: Path) -> None:
    output = tmp_path / "p.safetensors"
    options = (
        "--data",
        evaluations,
        "--space",
        "spos-tiny",
        "--encoder",
        "gp",
        "--train",
        45,
        "--metric",
        "top1",
    )
    assert run("train", *options, "-o", output).exit_code == 0
    found = json.loads(run("evaluate", output, "--data", evaluations).stdout)
    assert found["metric"] == "top1"
    assert found["kendall_tau"] > 0.6
    assert found["regret"] >= 0
    named = json.loads(
        run("evaluate", output, "--data", evaluations, "--metric", "cross_entropy").stdout
    )
    assert named["metric"] == "cross_entropy"


def test_fraction_refit_and_metric(evaluations: Path, tmp_path: Path) -> None:
    output = tmp_path / "p.safetensors"
    options = ("--data", evaluations, "--space", "spos-tiny", "--encoder", "gp", "--metric", "top1")
    result = run("train", *options, "--train-fraction", 0.5, "--refit", "-o", output)
    assert result.exit_code == 0, result.output
    assert "top1 of 30 unseen" in result.output
    assert "trained on 60 evaluations" in result.output
    evidence = predictor.load(output).trained_on["evidence"]
    assert evidence.startswith("evidence: 60 ")
    assert evidence.endswith(" on 30 of them before the last fit")


def test_bad_input_is_one_line(evaluations: Path, tmp_path: Path) -> None:
    output = tmp_path / "p.safetensors"
    options = ("train", "--space", "spos-tiny", "-o", output, "--data")
    refused(
        run(*options, evaluations, "--metric", "f1"),
        "unknown metric 'f1'; available: cross_entropy, top1",
    )
    refused(run(*options, evaluations, "--train", 58), "leaves fewer than 5 to test on")
    refused(run(*options, evaluations, "--train-fraction", 1), "--train-fraction")
    refused(run(*options, tmp_path / "none.jsonl"), "none.jsonl")
    bad = tmp_path / "bad.jsonl"
    bad.write_text(
        evaluations.read_text().replace('"cross_entropy": ', '"cross_entropy": NaN, "was": ', 1)
    )
    refused(
        run(*options, bad, "--encoder", "gp", "--train", 50), "'metrics' must map names to numbers"
    )
    assert not output.exists()
    refused(run("predict", evaluations, evaluations), "not a predictor's file")


def test_active_names_a_network_once(tmp_path: Path) -> None:
    space = spaces.get("nasbench201")
    codes = np.unique(space.sample(np.random.default_rng(0), 40), axis=0)
    evaluations, output = tmp_path / "evaluations.jsonl", tmp_path / "p.safetensors"
    items = zip(space.decode(codes), codes.sum(1).tolist(), strict=True)
    each = [
        {"architecture": item.to_dict(), "metrics": {"top1": value}, "source": {}}
        for item, value in items
    ]
    evaluations.write_text("".join(json.dumps(line) + "\n" for line in each))
    options = (
        "--data",
        evaluations,
        "--space",
        "nasbench201",
        "--encoder",
        "gp",
        "--metric",
        "top1",
        "-o",
        output,
    )
    assert run("train", *options).exit_code == 0
    found = run("active", output, "--count", 300, "--pool", 600, "--evaluated", evaluations)
    named = space.encode(
        [
            Architecture.from_dict(json.loads(line)["architecture"])
            for line in found.stdout.splitlines()
        ]
    )
    classes = space.isomorphism_keys(np.concatenate([codes, named]))[:, 0]
    assert len(named) == 300
    assert len(np.unique(classes[len(codes) :])) == 300
    assert not set(classes[: len(codes)]) & set(classes[len(codes) :])


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "active", "bench"])
def test_threads_hold_while_the_command_runs(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = main.get_command(click.Context(main), command)
    assert isinstance(loaded, click.Command)
    seen: list[int] = []
    monkeypatch.setattr(loaded, "callback", lambda **options: seen.append(torch.get_num_threads()))
    monkeypatch.setattr(loaded, "params", [p for p in loaded.params if p.name == "threads"])
    before = torch.get_num_threads()
    assert run(command, "--threads", before + 1).exit_code == 0
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_evaluations_of_one_network_are_tested_together(tmp_path: Path) -> None:
    space = spaces.get("nasbench201")
    rng = np.random.default_rng(0)
    lines = [
        json.dumps({"architecture": architecture.to_dict(), "metrics": {"top1": value + noise}})
        for architecture, value in zip(
            space.decode(space.sample(rng, 60)), rng.uniform(80, 95, 60), strict=True
        )
        for noise in rng.normal(0, 0.1, 3)
    ]
    data = tmp_path / "evaluations.jsonl"
    data.write_text("\n".join(lines))
    report = tmp_path / "report.json"
    result = run(
        *("train", "--data", data, "--space", "nasbench201", "--metric", "top1"),
        *("--encoder", "forest", "--report", report, "-o", tmp_path / "p.safetensors"),
    )
    assert result.exit_code == 0, result.output
    assert "unseen networks" in result.output
    # The labels mean nothing: only a network on both sides would be ranked.
    assert json.loads(report.read_text())["figures"]["forest"]["kendall_tau"] < 0.45
