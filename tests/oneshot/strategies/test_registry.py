"""Names and options of strategies, and strategies of one's own."""

import math
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneshot import SearchProblem, run_search
from oneshot.errors import BrokenStrategy, InvalidGuide, InvalidOption
from oneshot.strategies import Strategy, available, options_of, register_strategy
from oneshot.strategies.registry import check_options
from spaces import ChainSpace
from spaces.errors import UnknownName
from tests.published import published

ROOT = Path(__file__).resolve().parents[3]
BUILT_IN = {
    "aging",
    "annealing",
    "channels",
    "evolution",
    "exhaustive",
    "pareto",
    "predictor-loop",
    "random",
}


def climbing() -> str:
    """The strategy that the documentation shows."""
    text = (ROOT / "docs" / "guides" / "search.md").read_text()
    begin = text.index("    import numpy as np\n    from oneshot.strategies")
    return textwrap.dedent(text[begin : text.index("\n## Results of a search")])


def test_names_and_aliases() -> None:
    assert {*BUILT_IN, "spos", "nsga2"} <= set(available())
    assert options_of("spos") == options_of("evolution")
    assert options_of("random") == {"evaluations": 1000}
    with pytest.raises(
        UnknownName,
        match=r"unknown strategy 'luck'; available: .*evolution, .*reinforce, spos",
    ):
        options_of("luck")


def test_published_defaults() -> None:
    assert options_of("evolution") == {
        "population": published("spos.search.population"),
        # The random population is the first generation.
        "generations": published("spos.search.epochs") + 1,
        "parents": published("spos.search.parents"),
        "crossovers": published("spos.search.crossovers"),
        "mutations": published("spos.search.mutations"),
        "mutation_probability": published("spos.search.mutation_probability"),
    }
    assert (options_of("aging")["population"], options_of("aging")["tournament"]) == (100, 25)


def test_the_alias_is_the_strategy(toy: Any, tiny: ChainSpace) -> None:
    result = run_search(SearchProblem(tiny, toy(tiny)), "spos", options={"generations": 1})
    assert result.strategy == {"name": "evolution", "options": {"generations": 1}}


@pytest.mark.parametrize(
    ("strategy", "options", "said"),
    [
        (
            "evolution",
            {"generation": 3},
            "evolution has no option 'generation'; it has: population, generations,",
        ),
        (
            "evolution",
            {"generations": 2.5},
            "evolution: generations must be like 21 (int), not 2.5",
        ),
        (
            "evolution",
            {"generations": "3"},
            "evolution: generations must be like 21 (int), not '3'",
        ),
        (
            "evolution",
            {"generations": True},
            "evolution: generations must be like 21 (int), not True",
        ),
        ("evolution", {"generations": 0}, "evolution: generations must be positive, not 0"),
        ("evolution", {"population": -1}, "evolution: population must be positive, not -1"),
        (
            "evolution",
            {"mutation_probability": -0.1},
            "evolution: mutation_probability must be positive, not -0.1",
        ),
        (
            "predictor-loop",
            {"exploration": math.inf},
            "predictor-loop: exploration must be finite, not inf",
        ),
        (
            "predictor-loop",
            {"exploration": math.nan},
            "predictor-loop: exploration must be finite, not nan",
        ),
        (
            "evolution",
            {"mutation_probability": None},
            "evolution: mutation_probability must be like 0.1 (float), not None",
        ),
        (
            "evolution",
            {"mutation_probability": 2},
            "evolution: mutation_probability must be between 0 and 1, not 2",
        ),
        (
            "pareto",
            {"crossover_probability": 1.5},
            "pareto: crossover_probability must be between 0 and 1, not 1.5",
        ),
        (
            "predictor-loop",
            {"predictor": 3},
            "predictor-loop: predictor must be like 'default' (str), not 3",
        ),
        (
            "predictor-loop",
            {"predictor": "oracle"},
            "predictor-loop: unknown predictor 'oracle'; available: default,",
        ),
        ("predictor-loop", {"initial": 9}, "predictor-loop: initial must be at least 10, not 9"),
        (
            "channels",
            {},
            "channels: the candidates of spos-tiny have no widths in their names",
        ),
        (
            "exhaustive",
            {"limit": 100},
            "exhaustive: 4096 architectures of spos-tiny meet the constraints; the limit",
        ),
    ],
)
def test_options_are_refused_by_name(
    toy: Any, tiny: ChainSpace, strategy: str, options: dict[str, Any], said: str
) -> None:
    guide = toy(tiny)
    with pytest.raises(InvalidOption) as caught:
        run_search(SearchProblem(tiny, guide), strategy, options=options)
    assert str(caught.value).startswith(said)
    assert guide.asked == []


def test_whole_numbers_are_numbers() -> None:
    check_options("evolution", {"mutation_probability": 1})


def test_a_strategy_of_a_file(tmp_path: Path) -> None:
    plugin, code = tmp_path / "climbing.py", tmp_path / "run.py"
    plugin.write_text(climbing())
    code.write_text(
        "import sys\nimport numpy as np\nimport spaces, spaces.plugins\nfrom oneshot import"
        " SearchProblem, run_search\nfrom oneshot.strategies import"
        " available\nspaces.plugins.load_file(sys.argv[1])\nclass Guide:\n    def score(self,"
        " codes): return 18.0 - codes.sum(1), np.zeros(len(codes))\n    def to_dict(self): return"
        " {'kind': 'sum'}\nresult = run_search(SearchProblem(spaces.get('spos-tiny'), Guide()),"
        " 'climbing', options={'evaluations': 80})\nassert 'climbing' in"
        " available()\nprint(len(result), result.best.score, result.strategy)\n"
    )
    command = [sys.executable, str(code), str(plugin)]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={"PYTHONPATH": str(ROOT)}
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "80 18.0 {'name': 'climbing', 'options': {'evaluations': 80}}\n"


def test_names_are_taken_once() -> None:
    with pytest.raises(
        ValueError,
        match=r"the strategy 'random' is registered already, by oneshot\.strategies\.random",
    ):

        @register_strategy("random")
        class Mine(Strategy):
            pass


class Fixed(Strategy):
    """Asks for what it was made to ask for."""

    batches: list[list[list[int]]]
    told: list[list[float]]

    @property
    def planned(self) -> int:
        return 10

    def ask(self) -> np.ndarray:
        rows = self.batches.pop(0) if self.batches else []
        return np.array(rows, dtype=np.int8).reshape(-1, 6)

    def tell(self, codes: np.ndarray, scores: np.ndarray) -> None:
        self.told.append(scores.tolist())


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Fixed]]:
    """A strategy named `fixed`."""
    from oneshot.strategies.registry import STRATEGIES

    monkeypatch.setattr(Fixed, "batches", [], raising=False)
    monkeypatch.setattr(Fixed, "told", [], raising=False)
    with STRATEGIES.preserved():
        yield register_strategy("fixed")(Fixed)


def test_what_a_strategy_asks_for_twice_is_evaluated_once(
    toy: Any, tiny: ChainSpace, fixed: type[Fixed]
) -> None:
    first, second = [0] * 6, [1] * 6
    fixed.batches = [[first, second, first], [second], [second, [2] * 6]]
    guide = toy(tiny)
    result = run_search(SearchProblem(tiny, guide), "fixed")
    assert guide.asked == [tuple(first), tuple(second), (2,) * 6]
    values = guide.value(np.array([first, second, [2] * 6])).tolist()
    assert fixed.told == [[values[0], values[1], values[0]], [values[1]], [values[1], values[2]]]
    assert [entry["evaluated"] for entry in result.history] == [2, 3]


def test_a_strategy_that_repeats_itself_for_ever_comes_to_an_end(
    toy: Any, tiny: ChainSpace, fixed: type[Fixed]
) -> None:
    fixed.batches = [[[0] * 6]] * 100_000
    assert len(run_search(SearchProblem(tiny, toy(tiny)), "fixed")) == 1
    assert len(fixed.batches) > 99_000


def test_strategies_that_break_the_rules_are_named(
    toy: Any, tiny: ChainSpace, fixed: type[Fixed]
) -> None:
    from oneshot import Limit

    with pytest.raises(BrokenStrategy, match="the strategy fixed requested no network at all"):
        run_search(SearchProblem(tiny, toy(tiny)), "fixed")
    largest = int(tiny.macs(np.concatenate(list(tiny.enumerate_codes()))).argmax())
    codes = np.concatenate(list(tiny.enumerate_codes()))[largest]
    limit = Limit("macs", float(tiny.macs(codes[None])[0]) - 1).bind(tiny, lambda name: None)  # type: ignore[arg-type,return-value]
    fixed.batches = [[codes.tolist()]]
    with pytest.raises(
        BrokenStrategy, match="the strategy fixed requested a network that breaks a constraint"
    ):
        run_search(SearchProblem(tiny, toy(tiny), [limit]), "fixed")


def test_guides_that_give_no_number_are_named(tiny: ChainSpace) -> None:
    class Broken:
        def score(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.full(len(codes), np.nan), np.zeros(len(codes))

        def to_dict(self) -> dict[str, Any]:
            return {}

    with pytest.raises(InvalidGuide, match=r'gives no number for {"space": "spos-tiny", '):
        run_search(SearchProblem(tiny, Broken()))
