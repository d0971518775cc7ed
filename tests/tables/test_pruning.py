"""Pruning: which candidates are dominated, the file of the others, and the search among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import spaces
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from spaces.block import Block
from spaces.space import SearchSpace
from tables.commands import main
from tables.errors import InvalidEvaluation, InvalidTable
from tables.evaluation import Evaluation
from tables.lookup_table import BlockCost, LookupTable
from tables.pruning import Candidates, dominated_candidates, prune, read_candidates


@pytest.fixture
def space() -> SearchSpace:
    return spaces.get("spos-tiny")


def latency(block: Block) -> float:
    """Return the made-up latency of a block."""
    return 9.0 if block.operator == "xception" else float(block.kernel or 1)


@pytest.fixture
def table(space: SearchSpace) -> LookupTable:
    """A table whose latencies are the kernels of the blocks; Xception is slowest."""
    return LookupTable(
        name="made-up",
        space=space.name,
        device={"kind": "other", "processor": "made-up"},
        conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        versions={"pathfit": "1"},
        created="2026-01-01T00:00:00+00:00",
        command="tests",
        seed=0,
        measurement=None,
        blocks={
            key: BlockCost(latency(block), None, None, block.macs, block.params)
            for key, block in space.all_blocks.items()
        },
        networks=(),
    )


def evaluated(space: SearchSpace, best: str, count: int = 400) -> list[Evaluation]:
    """Return evaluations whose accuracy is the number of layers with one candidate."""
    architectures = space.decode(space.sample(np.random.default_rng(0), count))
    return [
        Evaluation(architecture, {"top1": float(list(architecture.choices.values()).count(best))})
        for architecture in architectures
    ]


def test_only_dominated_candidates_are_found() -> None:
    latencies = np.array([1.0, 2.0, 2.0, 3.0, 3.0])
    scores = np.array([5.0, 7.0, 6.0, 7.0, np.nan])
    # Slower than the second without a better score; nothing is known of the last.
    assert dominated_candidates(latencies, scores).tolist() == [False, False, True, True, False]


def test_equal_candidates_remain() -> None:
    assert not dominated_candidates(np.ones(3), np.ones(3)).any()


def test_slower_candidates_leave_where_the_best_one_is_fast(
    space: SearchSpace, table: LookupTable
) -> None:
    fastest = "k3"
    remaining = prune(space, table, evaluated(space, fastest))
    # The fastest has the best networks in each layer, so that it alone remains.
    assert set(remaining.names.values()) == {(fastest,)}


def test_the_front_remains_where_the_best_one_is_slow(
    space: SearchSpace, table: LookupTable
) -> None:
    remaining = prune(space, table, evaluated(space, "xcep"))
    assert all("xcep" in names and "k3" in names for names in remaining.names.values())


def test_candidates_are_read_as_written(space: SearchSpace, tmp_path: Path) -> None:
    candidates = Candidates(space.name, {"layer_1": ("k3", "k7")})
    (tmp_path / "file.json").write_text(candidates.to_json())
    read = read_candidates(tmp_path / "file.json")
    assert read == candidates

    masks = read.masks(space)
    assert masks[0].tolist() == [True, False, True, False]
    # Choices that the file does not name keep all.
    assert all(mask.all() for index, mask in enumerate(masks) if index != 0)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ({"layer_1": ("k9",)}, "k9"),
        ({"layer_99": ("k3",)}, "layer_99"),
        ({"layer_1": ()}, "layer_1"),
    ],
)
def test_unknown_names_are_refused(
    space: SearchSpace, names: dict[str, tuple[str, ...]], named: str
) -> None:
    with pytest.raises(InvalidTable, match=named):
        Candidates(space.name, names).masks(space)


def test_other_spaces_and_files_are_refused(space: SearchSpace, tmp_path: Path) -> None:
    with pytest.raises(InvalidTable, match="fbnet"):
        Candidates("fbnet", {}).masks(space)
    (tmp_path / "file.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(InvalidTable, match="no file of candidates"):
        read_candidates(tmp_path / "file.json")


def test_pruning_needs_evaluations_of_a_known_metric(
    space: SearchSpace, table: LookupTable
) -> None:
    with pytest.raises(InvalidEvaluation, match="no evaluations"):
        prune(space, table, [])
    with pytest.raises(InvalidEvaluation, match="top7"):
        prune(space, table, evaluated(space, "k3", 3), "top7")


class FewestMacs:
    """A guide that prefers small networks."""

    def __init__(self, space: SearchSpace):
        self.space = space

    def score(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return -self.space.macs(codes).astype(float), np.zeros(len(codes))

    def to_dict(self) -> dict[str, str]:
        return {"kind": "macs"}


@pytest.mark.parametrize("strategy", ["evolution", "aging", "random", "exhaustive", "pareto"])
def test_every_strategy_uses_remaining_candidates_only(space: SearchSpace, strategy: str) -> None:
    masks = Candidates(space.name, {"layer_2": ("k7",), "layer_3": ("k5", "k7")}).masks(space)
    problem = SearchProblem(space, FewestMacs(space), remaining=masks)
    options = {"evaluations": 60} if strategy in ("aging", "random") else {}
    if strategy in ("evolution", "pareto"):
        options = {"population": 20, "generations": 3}
    result = run_search(problem, strategy, options=options, seed=0)

    assert result.best.architecture.choices["layer_2"] == "k7"
    codes = np.asarray(result.codes)
    assert (codes[:, 1] == 2).all()
    assert set(codes[:, 2].tolist()) <= {1, 2}


def test_command_writes_what_the_search_reads(
    space: SearchSpace, table: LookupTable, tmp_path: Path
) -> None:
    table.save(tmp_path / "table.json")
    lines = [evaluation.to_json() for evaluation in evaluated(space, "k3")]
    (tmp_path / "evaluations.jsonl").write_text("\n".join(lines) + "\n")
    result = CliRunner().invoke(
        main,
        [
            "prune",
            *("--space", space.name, "--table", str(tmp_path / "table.json")),
            *("--evaluations", str(tmp_path / "evaluations.jsonl")),
            *("-o", str(tmp_path / "candidates.json")),
        ],
    )
    assert result.exit_code == 0, result.output
    assert "1 of 4096 architectures remain" in result.output
    assert read_candidates(tmp_path / "candidates.json").masks(space)[0].tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_command_prunes_by_effects_below_a_limit(
    space: SearchSpace, table: LookupTable, tmp_path: Path
) -> None:
    table.save(tmp_path / "table.json")
    lines = [evaluation.to_json() for evaluation in evaluated(space, "xcep")]
    (tmp_path / "evaluations.jsonl").write_text("\n".join(lines) + "\n")
    files = [
        *("--table", str(tmp_path / "table.json")),
        *("--evaluations", str(tmp_path / "evaluations.jsonl")),
        *("-o", str(tmp_path / "candidates.json")),
    ]

    refused = CliRunner().invoke(main, ["prune", "--space", space.name, *files, "--limit", "3"])
    assert refused.exit_code == 2
    assert "--limit 3 is of --rule effects, not of dominated" in refused.output
    assert not (tmp_path / "candidates.json").exists()

    # By dominance the slow Xception and the fast k3 both remain: without a limit k3 has no use.
    command = ["prune", "--space", space.name, *files, "--rule", "effects"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "1 of 4096 architectures remain" in result.output
    assert set(read_candidates(tmp_path / "candidates.json").names.values()) == {("xcep",)}
