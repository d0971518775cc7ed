"""`evaluate` and `eval-arch`: recorded, resumable, by one process or many."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneshot.evaluation.evaluator import Evaluator
from oneshot.run import Run
from spaces import ChainSpace
from tables import evaluation
from tests.oneshot.commands.running import ROOT, done
from tests.oneshot.commands.running import run as run_command

QUICK = ("--images", "40", "--recalibration-batches", "2", "--recalibration-batch-size", "32")


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from oneshot.commands import main\n"
        "for command in ('evaluate', 'eval-arch'):\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'ray', 'numpy', 'rich'} & set(sys.modules), 'loaded'\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.count("Example:\n    python -m oneshot ev") == 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The codes that were evaluated; before the fourth there is an interruption."""
    stream, found = Evaluator.stream, list[tuple[int, ...]]()

    def watched(self: Evaluator, codes: Any) -> Iterator[tuple[int, dict[str, float]]]:
        for place, metrics in stream(self, codes):
            if len(found) == 3:
                raise KeyboardInterrupt
            found.append(tuple(codes[place].tolist()))
            yield place, metrics

    monkeypatch.setattr(Evaluator, "stream", watched)
    return found


def test_evaluate_goes_on_where_it_was_stopped(
    run: Run, tmp_path: Path, asked: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    stopped = run_command("evaluate", run.folder, "-n", 5, "--seed", 2, *QUICK, "-o", broken)
    assert stopped.exit_code != 0
    assert len(evaluation.read(broken)) == 3
    with open(broken, "a") as file:
        file.write('{"architec')  # torn in the middle of a line
    first, asked[:] = set(asked), []
    done("evaluate", run.folder, "-n", 5, "--seed", 2, *QUICK, "-o", broken)
    assert len(asked) == 2
    assert not first & set(asked)
    monkeypatch.undo()
    said = done("evaluate", run.folder, "-n", 5, "--seed", 2, *QUICK, "-o", whole)
    assert said == f"wrote {whole}: 5 evaluations\n"
    assert broken.read_text() == whole.read_text()


def test_every_line_says_how_it_was_obtained(run: Run, small: ChainSpace, tmp_path: Path) -> None:
    output = tmp_path / "evaluations.jsonl"
    done("evaluate", run.folder, "-n", 4, *QUICK, "--images-seed", 7, "-o", output)
    found = evaluation.read(output, small.name)
    for one in found:
        assert one.source == {
            "kind": "supernet",
            "run": str(run.folder),
            "weights": hashlib.sha256(run.weights.read_bytes()).hexdigest()[:16],
            "data": "digits",
            "data_digest": run.data().digest[:16],
            "images": 40,
            "recalibration_batches": 2,
            "recalibration_batch_size": 32,
            "seed": 7,
            "precision": "fp32",
            "task": "classification",
        }
        assert set(one.metrics) == {"cross_entropy", "top1", "top5"}
        assert 0 <= one.metrics["top1"] <= one.metrics["top5"] <= 100
        assert np.isfinite(one.metrics["cross_entropy"])
    assert len({one.metrics["cross_entropy"] for one in found}) == 4


def test_by_default_the_whole_small_parts_are_used(run: Run, tmp_path: Path) -> None:
    done("evaluate", run.folder, "-n", 1, "-o", tmp_path / "e.jsonl")
    (one,) = evaluation.read(tmp_path / "e.jsonl")
    assert one.source["images"] == 397
    assert (one.source["recalibration_batches"], one.source["recalibration_batch_size"]) == (7, 128)


def test_the_file_is_in_the_order_of_the_sample(
    run: Run, small: ChainSpace, tmp_path: Path
) -> None:
    given = small.decode(small.sample(np.random.default_rng(5), 6))
    archs = tmp_path / "archs.jsonl"
    archs.write_text("\n\n".join(one.to_json() for one in given))
    done("evaluate", run.folder, "--archs", archs, *QUICK, "-o", tmp_path / "e.jsonl")
    assert [one.architecture for one in evaluation.read(tmp_path / "e.jsonl")] == list(
        dict.fromkeys(given)
    )


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--images", 41), "images"),
        (("--images-seed", 1), "seed"),
        (("--precision", "bf16"), "precision"),
    ],
)
def test_evaluations_of_different_settings_are_not_mixed(
    run: Run, tmp_path: Path, options: tuple[object, ...], name: str
) -> None:
    output = tmp_path / "evaluations.jsonl"
    done("evaluate", run.folder, "-n", 1, *QUICK, "-o", output)
    before = output.read_text()
    refused = run_command("evaluate", run.folder, "-n", 2, *QUICK, *options, "-o", output)
    assert refused.exit_code == 2
    assert f"{output} holds evaluations with {name} " in refused.stderr
    assert output.read_text() == before


def test_evaluations_of_different_supernets_are_not_mixed(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "evaluations.jsonl"
    done("evaluate", run.folder, "-n", 1, *QUICK, "-o", output)
    output.write_text(output.read_text().replace('"weights": "', '"weights": "f'))
    refused = run_command("evaluate", run.folder, "-n", 2, *QUICK, "-o", output)
    assert refused.exit_code == 2
    assert f"{output} holds evaluations with weights 'f" in refused.stderr


@pytest.mark.slow
def test_many_processes_give_the_same_file_bit_by_bit(run: Run, tmp_path: Path) -> None:
    one, many = tmp_path / "one.jsonl", tmp_path / "many.jsonl"
    done("evaluate", run.folder, "-n", 20, *QUICK, "-o", one)
    done("evaluate", run.folder, "-n", 20, *QUICK, "--engine", "ray", "--workers", 2, "-o", many)
    assert many.read_text() == one.read_text()


def test_eval_arch_takes_every_format(run: Run, small: ChainSpace, tmp_path: Path) -> None:
    from spaces import formats

    codes = np.array([[0, 1, 2], [3, 3, 3], [1, 0, 0]])
    architectures = small.decode(codes)
    output = tmp_path / "e.jsonl"
    done("evaluate", run.folder, "-n", 1, *QUICK, "-o", tmp_path / "other.jsonl")
    lines = [formats.write(one, "spos", small).strip() for one in architectures]
    nni = [json.loads(formats.write(one, "nni-3.0", small)) for one in architectures]
    best = {
        "format": "pathfit-search-result",
        "best": [{"architecture": one.to_dict()} for one in architectures],
    }
    texts = {
        "lines.txt": "\n".join(lines),
        "nni.json": json.dumps(nni),
        "nni.jsonl": "\n".join(map(json.dumps, nni)),
        "result.json": json.dumps(best),
        "mixed.jsonl": "\n".join([lines[0], json.dumps(nni[1]), architectures[2].to_json()]),
    }
    shown = set()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        said = done("eval-arch", run.folder, tmp_path / name, *QUICK, "-o", output)
        shown.add(said)
        assert [one.architecture for one in evaluation.read(output)] == architectures, name
    assert len(shown) == 1
    for row in codes:
        assert " ".join(map(str, row)) in said
    (tmp_path / "one.txt").write_text(lines[1])
    said = done("eval-arch", run.folder, tmp_path / "one.txt", *QUICK)
    assert "3 3 3" in said
    assert "wrote" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no architecture"),
        ("{}", "is in no format of an architecture"),
        ('["2,1,0,1", "(0, 1, 2)"]', ", architecture 1: "),
        ("(0, 1, 2)\n(9, 9, 9)", ", line 2: "),
        ("no such thing", "is in no format"),
    ],
)
def test_eval_arch_names_what_it_cannot_read(
    run: Run, tmp_path: Path, text: str, said: str
) -> None:
    archs = tmp_path / "archs.txt"
    archs.write_text(text)
    refused = run_command("eval-arch", run.folder, archs)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"Error: {archs}")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "tpu"), "device must be cpu, gpu, gpu:NUMBER or auto, not 'tpu'"),
        (("--workers", 2), "the engine local is one process, not 2"),
        (
            ("--engine", "ray", "--device", "gpu:1"),
            "with the engine ray a device has no number: not 'gpu:1'",
        ),
        (("--format", "onnx"), "unknown format 'onnx'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    run: Run, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    archs = tmp_path / "archs.txt"
    archs.write_text("(0, 1, 2)")
    refused = run_command("eval-arch", run.folder, archs, *options)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert said in refused.stderr


def test_evaluations_record_task_and_conditions(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "evaluations.jsonl"
    options = ("--task", "classification()", "--under", "clean=0.5")

    done("evaluate", run.folder, "-n", 2, *QUICK, *options, "-o", output)

    evaluations = evaluation.read(output)
    assert len(evaluations) == 2
    for evaluated in evaluations:
        assert evaluated.source["task"] == "classification"
        assert evaluated.source["under"] == ["clean=0.5"]
        assert set(evaluated.metrics) == {"cross_entropy", "top1", "top5"}


def test_evaluations_without_a_task_are_continued(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "evaluations.jsonl"
    done("evaluate", run.folder, "-n", 3, *QUICK, "-o", output)
    evaluated = [json.loads(line) for line in output.read_text().splitlines()]
    for line in evaluated:
        del line["source"]["task"]
    output.write_text("".join(json.dumps(line) + "\n" for line in evaluated[:2]))

    done("evaluate", run.folder, "-n", 3, *QUICK, "-o", output)

    # The third is evaluated; the first two are recognised and left as they are.
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert lines[:2] == evaluated[:2]
    assert [line["metrics"] for line in lines] == [line["metrics"] for line in evaluated]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "clasification"), "classification"),
        (("--under", "claen=1"), "clean"),
        (("--under", "clean"), "NAME=WEIGHT"),
    ],
)
def test_unknown_tasks_and_conditions_are_refused_before_any_work(
    run: Run, tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    output = tmp_path / "evaluations.jsonl"
    refused = run_command("evaluate", run.folder, "-n", 2, *QUICK, *options, "-o", output)
    assert refused.exit_code == 2
    assert message in refused.output
    assert not output.exists()


def test_evaluate_judges_the_ranking_by_true_values(run: Run, tmp_path: Path) -> None:
    output = tmp_path / "evaluations.jsonl"
    truth = tmp_path / "truth.jsonl"
    done("evaluate", run.folder, "-n", 12, *QUICK, "-o", output)
    truth.write_text(output.read_text())

    printed = done("evaluate", run.folder, "-n", 12, *QUICK, "--truth", truth, "-o", output)

    tau = next(line for line in printed.splitlines() if line.strip("│ ").startswith("Kendall"))
    assert "1.000" in tau
    assert "that this supernet prefers" in printed

    truth.write_text("no evaluation")
    refused = run_command("evaluate", run.folder, "--truth", truth, "-o", tmp_path / "new.jsonl")
    assert refused.exit_code == 2
    assert not (tmp_path / "new.jsonl").exists()
