"""`python -m oneshot search`: resumption, results, constraints and bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot.evaluation.evaluator import Evaluator
from oneshot.search.result import SearchResult, read_result
from tables import evaluation
from tests.oneshot.commands.running import FEW, ROOT, TINY, done, run, search


def without_time(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    value.pop("seconds")
    return value


def test_an_interrupted_search_goes_on_to_the_same_result(
    supernet: Path, search_result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = search_result, tmp_path / "broken.json"
    journal = broken.with_name("broken.json.evaluations.jsonl")
    stream, count = Evaluator.stream, [0]

    def stopping(self: Evaluator, codes: Any) -> Any:
        for found in stream(self, codes):
            count[0] += 1
            if count[0] == 14:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(Evaluator, "stream", stopping)
    arguments = (
        "search",
        "--space",
        TINY,
        "--guide",
        f"supernet:{supernet}",
        *FEW,
        "--option",
        "generations=2",
    )
    arguments = (*arguments, "--option", "population=10", "--seed", "1", "-o", str(broken))
    stopped = run(*arguments)
    assert stopped.exit_code == 130
    assert "stopped after 13 evaluations; resume with --resume" in stopped.stderr
    assert not broken.exists()
    assert len(evaluation.read(journal)) == 13
    with open(journal, "a") as file:
        file.write('{"architec')  # torn in the middle of a line
    again = run(*arguments)
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert (
        f"{journal} holds evaluations of a search; give --resume or another output" in again.stderr
    )
    count[0] = 100  # interrupts no more
    done(*arguments, "--resume")
    assert count[0] == 107  # the rest alone was evaluated
    assert without_time(broken) == without_time(whole)
    finished = read_result(broken)
    kept = {one.architecture: -one.metrics["cross_entropy"] for one in evaluation.read(journal)}
    space = spaces.get(TINY)
    assert finished.scores.tolist() == [
        kept[architecture] for architecture in space.decode(finished.codes)
    ]


@pytest.mark.slow
def test_a_killed_search_goes_on_to_the_same_result(supernet: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.json", tmp_path / "broken.json"
    arguments = (
        "search",
        "--space",
        TINY,
        "--guide",
        f"supernet:{supernet}",
        *FEW,
        "--option",
        "generations=4",
    )
    done(*arguments, "-o", whole)
    journal = broken.with_name("broken.json.evaluations.jsonl")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "oneshot", *map(str, arguments), "-o", str(broken)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if journal.exists() and journal.read_text().count("\n") >= 5:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.communicate(timeout=300)
    assert journal.read_text().count("\n") >= 5
    broken.unlink(missing_ok=True)
    done(*arguments, "-o", broken, "--resume")
    assert without_time(broken) == without_time(whole)


def test_evaluations_of_other_settings_are_not_taken(
    supernet: Path, search_result: Path, tmp_path: Path
) -> None:
    output = tmp_path / "found.json"
    for file in search_result.parent.iterdir():
        shutil.copy(file, tmp_path)
    refused = run(
        "search",
        "--space",
        TINY,
        "--guide",
        f"supernet:{supernet}",
        "--images",
        30,
        "--resume",
        "-o",
        output,
    )
    assert refused.exit_code == 2
    assert (
        "found.json.evaluations.jsonl holds evaluations of another supernet, data set or setting"
        in refused.stderr
    )


def test_every_candidate_sees_the_same_images(
    supernet: Path, search_result: Path, tmp_path: Path
) -> None:
    """Others kept one iterator over the validation images between candidates, so that each saw
    other images.
    """
    second = tmp_path / "second.json"
    options = ("--strategy", "exhaustive")
    done("search", "--space", TINY, "--guide", f"supernet:{supernet}", *FEW, *options, "-o", second)
    every = read_result(second)
    scores = dict(zip(map(tuple, every.codes.tolist()), every.scores.tolist(), strict=True))
    found = read_result(search_result)
    assert [scores[tuple(row)] for row in found.codes.tolist()] == found.scores.tolist()


def test_the_best_of_every_generation_is_exported(supernet: Path, tmp_path: Path) -> None:
    output, folder = tmp_path / "found.json", tmp_path / "best"
    search(supernet, output, "--export-each", folder, "--format", "nni-1.9")
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["001.json", "002.json"]
    result = read_result(output)
    assert spaces.formats.read(files[-1], "nni-1.9", TINY) == result.best.architecture
    first = result.order < 10
    best = result.codes[np.flatnonzero(first)[0]]
    assert spaces.formats.read(files[0], "nni-1.9", TINY) == spaces.get(TINY).decode(best[None])[0]


def test_objectives_make_the_front_and_the_plot(supernet: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    output, plot = tmp_path / "found.json", tmp_path / "deep" / "front.png"
    more = (
        "--strategy",
        "pareto",
        "--objective",
        "accuracy",
        "--objective",
        "params",
        "--plot",
        plot,
    )
    said = search(supernet, output, *more)
    assert said.splitlines()[-2:] == [f"wrote {output}", f"wrote {plot}"]
    assert " on the front of score and params" in said
    assert imread(plot).shape[0] > 400
    assert imread(plot).std() > 0.05  # something is drawn
    value = json.loads(output.read_text())
    assert value["objectives"] == ["params"]
    params = [one["costs"]["params"] for one in value["front"]]
    assert params == sorted(params, reverse=True)


SPOS = ("search", "--space", "spos", "--guide", "supernet:nowhere", "-o", "{new}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            (*SPOS[:4], "nonsense:x", "-o", "{new}"),
            "--guide 'nonsense:x': a guide is predictor:FILE, supernet:FOLDER",
        ),
        ((*SPOS[:4], "supernet:", "-o", "{new}"), "--guide 'supernet:': a guide is predictor:FILE"),
        ((*SPOS[:4], "benchmark:nope", "-o", "{new}"), "unknown benchmark 'nope'; available: "),
        (SPOS, "nowhere holds no run of Pathfit's"),
        ((*SPOS, "--objective", "watts"), "unknown metric 'watts'"),
        (
            (*SPOS, "--objective", "flops<=3"),
            "not an objective: 'flops<=3'; one reads like 'accuracy', 'flops' or",
        ),
        (
            (*SPOS, "--objective", "latency_ms"),
            "objective 'latency_ms': name its table: latency_ms@TABLE",
        ),
        (
            (*SPOS, "--objective", "flops@cpu"),
            "objective 'flops@cpu': a count needs no table; write flops",
        ),
        (
            (*SPOS, "--plot", "front.pdf"),
            "--plot front.pdf: plots are PNG files; choose a name that ends in .png",
        ),
        ((*SPOS, "--format", "yaml"), "unknown format 'yaml'"),
        (
            (*SPOS, "--strategy", "luck"),
            "unknown strategy 'luck'; available: aging, annealing, channels, evolution, ",
        ),
        (
            (*SPOS, "--option", "generations"),
            "--option 'generations': write NAME=VALUE, such as generations=10",
        ),
        ((*SPOS, "--option", "=3"), "--option '=3': write NAME=VALUE"),
        (
            (*SPOS, "--option", "generations=many"),
            "evolution: generations must be like 21 (int), not 'many'",
        ),
        (
            (*SPOS, "--constraint", "flops<=270.4e6", "--constraint", "params<=2e6"),
            "the smallest network of spos has 3154880 params; the limit is 2e+06",
        ),
        (("derive", "{empty}", "-o", "{new}"), "not a search result"),
        (("ss-gen", "--space", "sops", "-o", "{new}"), "unknown space 'sops'"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "empty.json").write_text("{}")
    places = {"new": tmp_path / "new", "empty": tmp_path / "empty.json"}
    refused = run(
        *[argument.format(**places) if "{" in argument else argument for argument in arguments]
    )
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: ")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_constraints_that_exclude_each_other_are_refused_before_the_guide_is_loaded(
    tmp_path: Path,
) -> None:
    space = spaces.get("spos")
    from tables.cost.model import counting_model

    least = {name: counting_model(space, name).bounds()[0].value for name in ("macs", "params")}
    limits = (
        "--constraint",
        f"flops<={least['macs']:.0f}",
        "--constraint",
        f"params<={least['params']:.0f}",
    )
    refused = run(
        "search",
        "--space",
        "spos",
        "--guide",
        "supernet:nowhere",
        *limits,
        "-o",
        tmp_path / "x.json",
    )
    assert refused.exit_code == 2
    assert (
        "no network of spos was found that meets all 2 constraints at once; the nearest has macs "
        in refused.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_results_are_read_back(search_result: Path) -> None:
    result = read_result(search_result)
    assert isinstance(result, SearchResult)
    assert result.guide["kind"] == "supernet"
    assert result.guide["images"] == 40
