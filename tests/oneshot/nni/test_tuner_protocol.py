"""The whole protocol of NNI's tuners: hooks, checkpoints, known results, and the dispatcher."""

import json
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spaces
from oneshot.errors import InvalidOption, InvalidRun, NoMoreTrials
from oneshot.nni import SPOSEvolution, StrategyTuner
from spaces import ChainSpace

Sample = dict[str, dict[str, Any]]

SMALL = {"max_epochs": 3, "num_select": 3, "num_population": 8, "num_crossover": 3}


def search_space(space: ChainSpace) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(spaces.formats.write_search_space(space))
    return value


def accuracy(sample: Sample) -> float:
    return float(sum((index + 1) * entry["_idx"] for index, entry in enumerate(sample.values())))


class Dispatcher:
    """Calls a tuner as NNI's dispatcher does: results in one thread, ends of trials in another.

    Args:
        tuner: Tuner to call.
        concurrency: Number of trials that run at once.
        ends_first: Whether the ends of trials overtake their results.
    """

    def __init__(self, tuner: StrategyTuner, concurrency: int = 3, ends_first: bool = False):
        self.tuner = tuner
        self.concurrency = concurrency
        self.ends_first = ends_first
        self.running: deque[tuple[int, Sample]] = deque()
        self.samples: list[Sample] = []
        self.is_out_of_trials = False
        self.next_id = 0

    def send_trial(self, number: int, sample: Sample) -> None:
        self.samples.append(sample)
        self.running.append((number, sample))

    def handle_request_trial_jobs(self, count: int) -> None:
        numbers = list(range(self.next_id, self.next_id + count))
        self.next_id += count
        answer = self.tuner.generate_multiple_parameters(numbers, st_callback=self.send_trial)
        for number, sample in zip(numbers, answer, strict=False):
            self.send_trial(number, sample)
        self.is_out_of_trials = len(answer) < count

    def run(self, num_trials: int | None = None) -> None:
        """Run trials until the tuner has no more, or a number of them."""
        self.handle_request_trial_jobs(self.concurrency)
        while self.running and num_trials != 0:
            number, sample = self.running.popleft()
            if self.ends_first:
                self.tuner.trial_end(number, True)
            self.tuner.receive_trial_result(number, sample, accuracy(sample))
            if not self.ends_first:
                self.tuner.trial_end(number, True)
            if not self.is_out_of_trials:
                self.handle_request_trial_jobs(1)
            num_trials = None if num_trials is None else num_trials - 1


@pytest.mark.parametrize("ends_first", [False, True])
@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_every_trial_runs_whatever_the_order_of_messages(
    tiny: ChainSpace, concurrency: int, ends_first: bool
) -> None:
    tuner = SPOSEvolution(**SMALL, folder=None)  # type: ignore[arg-type]
    tuner.update_search_space(search_space(tiny))
    dispatcher = Dispatcher(tuner, concurrency, ends_first)

    dispatcher.run()
    tuner._on_exit()
    tuner._on_error()

    assert tuner.finished
    assert dispatcher.is_out_of_trials
    assert len({json.dumps(sample) for sample in dispatcher.samples}) == 24


def test_end_is_reported_only_after_the_last_batch(tiny: ChainSpace) -> None:
    tuner = SPOSEvolution(**SMALL, folder=None)  # type: ignore[arg-type]
    tuner.update_search_space(search_space(tiny))
    dispatcher = Dispatcher(tuner, concurrency=3)

    dispatcher.run(num_trials=7)

    # One trial of the first batch runs; two requests wait for the second batch.
    assert len(dispatcher.running) == 1
    assert not dispatcher.is_out_of_trials
    dispatcher.run()
    assert dispatcher.is_out_of_trials


def test_end_that_overtakes_the_last_request_ends_the_experiment(tiny: ChainSpace) -> None:
    """The strategy plans more than the space has, so that the tuner promised a further trial."""
    space = spaces.ChoiceSpace("two", tiny.choices[:1])
    tuner = SPOSEvolution(**SMALL, folder=None)  # type: ignore[arg-type]
    tuner.update_search_space(json.loads(spaces.formats.write_search_space(space)))
    dispatcher = Dispatcher(tuner, concurrency=5)
    dispatcher.handle_request_trial_jobs(5)
    assert len(dispatcher.running) == 4
    assert not dispatcher.is_out_of_trials

    for number, sample in list(dispatcher.running):
        tuner.receive_trial_result(number, sample, accuracy(sample))
        tuner.trial_end(number, True)

    assert dispatcher.is_out_of_trials


def test_successful_trial_without_a_result_does_not_block_the_batch(tiny: ChainSpace) -> None:
    tuner = SPOSEvolution(**SMALL, folder=None)  # type: ignore[arg-type]
    tuner.update_search_space(search_space(tiny))
    dispatcher = Dispatcher(tuner, concurrency=8)
    dispatcher.handle_request_trial_jobs(8)
    for number, sample in list(dispatcher.running)[1:]:
        tuner.receive_trial_result(number, sample, accuracy(sample))
        tuner.trial_end(number, True)

    tuner.trial_end(0, True)
    dispatcher.handle_request_trial_jobs(1)

    assert tuner.epoch == 1
    assert len(dispatcher.samples) == 9


# Hooks


class Limited(SPOSEvolution):
    """Limits the sum of the indices, as NNI's example limits the FLOPs."""

    def __init__(self, limit: int = 9, **options: Any):
        super().__init__(**options)
        self.limit = limit
        self.exported: list[list[Sample]] = []

    def _is_legal(self, cand: Sample) -> bool:
        if not super()._is_legal(cand):
            return False
        return sum(entry["_idx"] for entry in cand.values()) <= self.limit

    def export_results(self, result: Any = None) -> list[Path]:
        self.exported.append(list(result))
        return super().export_results(result)


def test_every_candidate_is_legal_and_exported_by_the_hook(
    tiny: ChainSpace, tmp_path: Path
) -> None:
    tuner = Limited(**SMALL, folder=tmp_path)
    tuner.update_search_space(search_space(tiny))
    dispatcher = Dispatcher(tuner)

    dispatcher.run()

    sums = [sum(entry["_idx"] for entry in sample.values()) for sample in dispatcher.samples]
    assert len(sums) == 24
    assert max(sums) <= 9
    assert [len(result) for result in tuner.exported] == [3, 3, 3]
    assert max(map(accuracy, dispatcher.samples)) == accuracy(tuner.exported[-1][0])
    assert len(list(tmp_path.iterdir())) == 9


def test_condition_that_nothing_meets_is_named(tiny: ChainSpace) -> None:
    tuner = Limited(limit=-1, **SMALL, folder=None)

    with pytest.raises(InvalidOption, match="_is_legal refused all of"):
        tuner.update_search_space(search_space(tiny))


@pytest.mark.parametrize("name", ["_random_candidate", "_get_mutation", "_next_round"])
def test_override_of_an_internal_step_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidOption, match=f"Mine: overriding {name} has no effect"):
        type("Mine", (SPOSEvolution,), {name: lambda self: None})


# Checkpoints and known results


@pytest.mark.parametrize("num_trials", [3, 8, 13, 23, 24])
def test_resumed_experiment_tries_what_an_uninterrupted_one_tries(
    tiny: ChainSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_trials: int
) -> None:
    monkeypatch.delenv("NNI_CHECKPOINT_DIRECTORY", raising=False)
    whole = Dispatcher(SPOSEvolution(**SMALL, folder=None), concurrency=1)  # type: ignore[arg-type]
    whole.tuner.update_search_space(search_space(tiny))
    whole.run()

    monkeypatch.setenv("NNI_CHECKPOINT_DIRECTORY", str(tmp_path))
    first = Dispatcher(SPOSEvolution(**SMALL, folder=None), concurrency=1)  # type: ignore[arg-type]
    first.tuner.update_search_space(search_space(tiny))
    first.run(num_trials)
    # The process dies here: nothing but the file of the last result is left.
    second = Dispatcher(SPOSEvolution(**SMALL, folder=None), concurrency=1)  # type: ignore[arg-type]
    second.tuner.load_checkpoint()
    second.tuner.update_search_space(search_space(tiny))
    second.run()

    assert first.samples[:num_trials] + second.samples == whole.samples
    assert second.tuner.best == whole.tuner.best


def test_checkpoint_of_another_search_is_refused(tiny: ChainSpace, tmp_path: Path) -> None:
    path = tmp_path / "tuner.json"
    tuner = SPOSEvolution(**SMALL, folder=None, checkpoint=path)  # type: ignore[arg-type]
    tuner.update_search_space(search_space(tiny))
    tuner.save_checkpoint()

    other = SPOSEvolution(**SMALL, seed=1, folder=None, checkpoint=path)  # type: ignore[arg-type]
    other.load_checkpoint()
    with pytest.raises(InvalidRun, match="is of another search: seed differs"):
        other.update_search_space(search_space(tiny))

    path.write_text("nonsense")
    with pytest.raises(InvalidRun, match="is no checkpoint of a tuner"):
        other.load_checkpoint()


def best_of(tiny: ChainSpace) -> Sample:
    return {
        choice.key: {"_value": choice.candidates[-1], "_idx": len(choice.candidates) - 1}
        for choice in tiny.choices
    }


def test_known_results_become_parents_and_survive_a_checkpoint(
    tiny: ChainSpace, tmp_path: Path
) -> None:
    known = best_of(tiny)

    def make() -> StrategyTuner:
        return SPOSEvolution(**SMALL, folder=None, checkpoint=tmp_path / "state.json")  # type: ignore[arg-type]

    tuner = make()
    tuner.update_search_space(search_space(tiny))
    tuner.import_data([{"parameter": known, "value": {"default": accuracy(known)}}])
    dispatcher = Dispatcher(tuner, concurrency=1)
    dispatcher.run(num_trials=9)
    resumed = make()
    resumed.load_checkpoint()
    resumed.update_search_space(search_space(tiny))

    assert known not in dispatcher.samples
    # Children of the best network are close to it.
    assert max(map(accuracy, dispatcher.samples[8:])) > 0.7 * accuracy(known)
    assert resumed.best.choices == {key: entry["_value"] for key, entry in known.items()}
    # The trial that was running is tried again.
    assert resumed.generate_parameters(0) == dispatcher.samples[9]


def test_trials_of_users_are_learnt(tiny: ChainSpace) -> None:
    tuner = StrategyTuner(folder=None)
    with pytest.raises(NoMoreTrials, match="call update_search_space first"):
        tuner.import_data([])
    tuner.update_search_space(search_space(tiny))
    known = best_of(tiny)

    tuner.receive_trial_result(12345, known, accuracy(known), customized=True)

    assert tuner.best.choices == {key: entry["_value"] for key, entry in known.items()}


def test_strategies_of_every_kind_resume(tiny: ChainSpace, tmp_path: Path) -> None:
    generator = random.Random(0)
    for strategy, options in (
        ("aging", {"evaluations": 12, "population": 5}),
        ("pareto", {"population": 6, "generations": 2}),
    ):
        path = tmp_path / f"{strategy}.json"

        def make(name: str = strategy, settings: Any = options, path: Path = path) -> StrategyTuner:
            return StrategyTuner(
                name, options=settings, space="spos-tiny", folder=None, checkpoint=path
            )

        def attempt(tuner: StrategyTuner, number: int) -> Callable[[], Sample]:
            return lambda: tuner.generate_parameters(number)

        tuner = make()
        tuner.update_search_space(search_space(tiny))
        for number in range(7):
            sample = attempt(tuner, number)()
            tuner.receive_trial_result(number, sample, generator.random())
            tuner.trial_end(number, True)
        resumed = make()
        resumed.load_checkpoint()
        resumed.update_search_space(search_space(tiny))
        assert attempt(resumed, 0)() == attempt(tuner, 7)()
