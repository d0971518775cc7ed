"""The search for blocks first and widths after, on spaces with widths."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Limit, SearchProblem, run_search
from oneshot.errors import Infeasible
from oneshot.search.subspace import Subspace
from oneshot.strategies.channels import _blocks_and_scales
from spaces import SearchSpace

SMALL = (
    "spos-channels(channel_scales=(0.5, 1.0, 1.5), channels=(8, 16, 32), head_channels=16,"
    " input_size=16, num_classes=10, repeats=(1, 1, 1), stem_channels=4)"
)
FULL = "spos-channels"


class Separate:
    """Blocks and widths add to the score by themselves, wider being better."""

    def __init__(self, space: SearchSpace):
        self.space = space
        self.blocks, self.scales = _blocks_and_scales(space)
        rng = np.random.default_rng(0)
        self.terms = [
            dict(zip(np.unique(names), rng.normal(0, 1, 99), strict=False)) for names in self.blocks
        ]
        self.asked: list[np.ndarray] = []

    def value(self, codes: np.ndarray) -> np.ndarray:
        total = np.zeros(len(codes))
        for column in range(codes.shape[1]):
            total += [self.terms[column][name] for name in self.blocks[column][codes[:, column]]]
            total += self.scales[column][codes[:, column]]
        return total

    def score(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(codes)
        return self.value(codes), np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "made up"}


def limit(space: SearchSpace, maximum: float) -> Any:
    return Limit("flops", maximum).bind(space, lambda name: pytest.fail(name))


def test_candidates_are_blocks_at_widths() -> None:
    blocks, scales = _blocks_and_scales(spaces.get(SMALL))
    assert blocks[0].tolist() == [name for name in ("k3", "k5", "k7", "xcep") for _ in range(3)]
    assert scales[0].tolist() == [0.5, 1.0, 1.5] * 4


def test_blocks_are_searched_at_one_width_and_widths_after() -> None:
    space = spaces.get(FULL)
    guide = Separate(space)
    maximum = 330e6
    options = {"population": 30, "generations": 8, "width_generations": 8}
    result = run_search(
        SearchProblem(space, guide, [limit(space, maximum)]), "channels", options=options, seed=1
    )
    assert (result.costs["macs"] <= maximum).all()
    _, scales = _blocks_and_scales(space)
    codes = np.concatenate(guide.asked)
    widths = np.stack([column[codes[:, place]] for place, column in enumerate(scales)], axis=1)
    at_one = (widths == 1.0).all(1)
    first = int(np.argmin(at_one))  # where the second stage begins
    assert first == 240
    blocks, _ = _blocks_and_scales(space)
    names = np.stack([column[codes[:, place]] for place, column in enumerate(blocks)], axis=1)
    best = names[:first][guide.value(codes[:first]).argmax()]
    assert (names[first:] == best).all()
    assert len(np.unique(widths[first:])) == 10
    assert result.best.score > guide.value(codes[:first]).max()  # the widths are worth it


def test_a_limit_below_the_width_is_met_at_a_narrower_one() -> None:
    space = spaces.get(SMALL)
    guide = Separate(space)
    every = np.concatenate(list(space.enumerate_codes()))
    narrow, at_one = (space.macs(every[(every % 3 == width).all(1)]) for width in (0, 1))
    maximum = float(at_one.min()) - 1
    assert narrow.min() < maximum
    options = {"population": 20, "generations": 2, "width_generations": 2}
    result = run_search(
        SearchProblem(space, guide, [limit(space, maximum)]), "channels", options=options
    )
    assert (result.costs["macs"] <= maximum).all()
    assert (guide.asked[0] % 3 == 0).all()


def test_restrictions_draw_from_what_is_allowed() -> None:
    space = spaces.get(SMALL)
    allowed = [np.array([1, 4]), np.array([0, 5, 7]), np.array([11])]
    part = Subspace(space, allowed)
    assert part.size == 6
    every = np.concatenate(list(part.enumerate_codes(4)))
    assert every.tolist() == [[a, b, c] for a in allowed[0] for b in allowed[1] for c in allowed[2]]
    known = set(map(tuple, every.tolist()))
    rng = np.random.default_rng(0)
    drawn = part.sample(rng, 200)
    for codes in (drawn, part.mutate(drawn, rng, 0.5), part.crossover(drawn, drawn[::-1], rng)):
        assert set(map(tuple, codes.tolist())) == known
        assert codes.dtype == space.dtype
    problem = SearchProblem(space, Separate(space), [limit(space, float(space.macs(every).min()))])
    found = problem.sample(rng, 10, part)
    assert found.tolist() == [every[space.macs(every).argmin()].tolist()]
    tight = SearchProblem(
        space, Separate(space), [limit(space, float(space.macs(every).min()) - 1)]
    )
    with pytest.raises(Infeasible):
        tight.sample(rng, 10, part)


@pytest.mark.slow
def test_a_supernet_with_sampled_widths_guides_it(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from oneshot.commands import main
    from oneshot.search.result import read_result

    def done(*arguments: object) -> None:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output

    space = spaces.get(SMALL)
    folder, output = tmp_path / "supernet", tmp_path / "found.json"
    done("train", "--space", SMALL, "--epochs", 4, "--threads", 1, "-o", folder)
    maximum = int(np.median(space.macs(space.sample(np.random.default_rng(0), 500))))
    options = (
        "--option",
        "population=10",
        "--option",
        "generations=2",
        "--option",
        "width_generations=2",
    )
    few = ("--images", 100, "--recalibration-batches", 2)
    guide = ("--guide", f"supernet:{folder}", *few, "--constraint", f"flops<={maximum}")
    done("search", "--space", SMALL, *guide, "--strategy", "channels", *options, "-o", output)
    result = read_result(output)
    assert (result.costs["macs"] <= maximum).all()
    widths = {
        candidate.rpartition("x")[2]
        for row in space.decode(result.codes)
        for _, candidate in row.items
    }
    assert len(widths) == 3
    assert result.best.score > -np.log(10)  # better than chance
