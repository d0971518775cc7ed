"""Sums of guides: how a user states them, what they score, and their journals."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import predictor
from oneshot.commands import main
from oneshot.errors import InvalidGuide
from oneshot.run import begin
from oneshot.run_settings import RunSettings
from oneshot.search.guide_registry import guide_named
from oneshot.search.sum_guide import SumGuide, parse_terms
from oneshot.training.recipe import Recipe
from spaces import ChainSpace
from tables.evaluation import read


@pytest.fixture
def files(tiny: ChainSpace, tmp_path: Path) -> list[Path]:
    """Return the files of two predictors: of few multiply-accumulates and of many parameters."""
    codes = np.unique(tiny.sample(np.random.default_rng(0), 60), axis=0)
    paths = []
    for name, values in (("small", -np.log(tiny.macs(codes))), ("big", np.log(tiny.params(codes)))):
        model = predictor.make("gp", tiny)
        model.fit(codes, values)
        paths.append(tmp_path / f"{name}.safetensors")
        model.save(paths[-1])
    return paths


def test_sum_is_that_of_the_weighted_scores(tiny: ChainSpace, files: list[Path]) -> None:
    small, big = (guide_named(f"predictor:{path}", tiny) for path in files)
    codes = tiny.sample(np.random.default_rng(1), 20)

    guide = guide_named(f"sum:predictor:{files[0]} + 0.25*predictor:{files[1]}", tiny)

    scores, deviations = guide.score(codes)
    expected = small.score(codes)[0] + 0.25 * big.score(codes)[0]
    np.testing.assert_allclose(scores, expected)
    assert (deviations >= small.score(codes)[1]).all()
    assert [term["weight"] for term in guide.to_dict()["terms"]] == [1.0, 0.25]


def test_terms_may_have_files_with_plus_and_star() -> None:
    terms = parse_terms("2*predictor:a+b*c.safetensors + benchmark:nasbench201:cifar10_valid_acc")
    assert [(term.weight, term.text) for term in terms] == [
        (2.0, "predictor:a+b*c.safetensors"),
        (1.0, "benchmark:nasbench201:cifar10_valid_acc"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum:predictor:a + many*predictor:b", "many"),
        ("sum:predictor:a + 0*predictor:b", "predictor:b"),
        ("sum:predictor:a + -1*predictor:b", "predictor:b"),
        ("sum:predictor:a + ", "no term"),
        ("sum:predictor:a + train:digits", "train:digits"),
        ("sum:", "sum:"),
    ],
)
def test_terms_that_cannot_be_summed_are_named(tiny: ChainSpace, text: str, expected: str) -> None:
    with pytest.raises(InvalidGuide, match=expected.replace("*", r"\*")):
        parse_terms(text.removeprefix("sum:")) if text != "sum:" else guide_named(text, tiny)


def supernet(folder: Path, space: ChainSpace, seed: int) -> Path:
    """Write a supernet with random weights."""
    settings = {
        "kind": "supernet",
        "space": space.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "recipe": Recipe().to_dict(),
        "seed": seed,
    }
    run = begin(folder, RunSettings.from_dict(settings), resume=False)
    run.save(run.build())
    return folder


def test_sum_of_supernets_journals_each_and_resumes(small: ChainSpace, tmp_path: Path) -> None:
    first, second = (supernet(tmp_path / f"run-{seed}", small, seed) for seed in (0, 1))
    text = f"sum:supernet:{first} + 0.5*supernet:{second}"
    output = tmp_path / "found.json"
    arguments = [
        *("search", "--space", small.name, "--guide", text, "--strategy", "random"),
        *("--option", "evaluations=4", "--images", "32", "--recalibration-batches", "1"),
        *("-o", str(output)),
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    report = output.read_text()
    journals = [tmp_path / f"found.json.evaluations{end}.jsonl" for end in ("", "-2")]
    assert [len(read(path)) for path in journals] == [4, 4]

    result = CliRunner().invoke(main, [*arguments, "--resume"])
    assert result.exit_code == 0, result.output
    assert [len(read(path)) for path in journals] == [4, 4]
    assert without_seconds(output.read_text()) == without_seconds(report)


def without_seconds(report: str) -> list[str]:
    return [line for line in report.splitlines() if "seconds" not in line]


def test_sum_describes_its_evidence() -> None:
    class Described:
        def describe(self) -> str:
            return "evidence: 8 trainings"

    assert SumGuide([Described(), object()], [1, 1]).describe() == "evidence: 8 trainings"  # type: ignore[list-item]
