"""NNI's tuner protocol over the strategies, driven as NNI's dispatcher drives a tuner."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import Limit, SearchProblem, run_search
from oneshot.errors import InvalidGuide, InvalidOption, NoMoreTrials
from oneshot.nni import SPOSEvolution, StrategyTuner
from spaces import ChainSpace
from spaces.errors import InvalidArchitecture, InvalidFile


def space_file(space: ChainSpace) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(spaces.formats.write_search_space(space))
    return value


def value_of(guide: Any, parameters: dict[str, Any]) -> float:
    codes = np.array([[entry["_idx"] for entry in parameters.values()]])
    return float(guide.value(codes)[0])


def drive(
    tuner: StrategyTuner, guide: Any, fails: Any = lambda number: False
) -> list[dict[str, Any]]:
    """Run trials one after the other until the tuner gives none; the parameters of all."""
    seen = []
    number = 0
    while True:
        try:
            parameters = tuner.generate_parameters(number)
        except NoMoreTrials:
            return seen
        seen.append(parameters)
        if not fails(number):
            tuner.receive_trial_result(number, parameters, {"default": value_of(guide, parameters)})
        tuner.trial_end(number, not fails(number))
        number += 1


def test_trials_make_the_search_that_the_strategy_makes(
    toy: Any, tiny: ChainSpace, tmp_path: Path
) -> None:
    guide = toy(tiny)
    tuner = StrategyTuner(
        "evolution", options={"generations": 4}, space=tiny, seed=3, folder=tmp_path
    )
    tuner.update_search_space(space_file(tiny))
    seen = drive(tuner, guide)
    assert tuner.finished
    result = run_search(SearchProblem(tiny, toy(tiny)), options={"generations": 4}, seed=3)
    asked = [tuple(entry["_idx"] for entry in parameters.values()) for parameters in seen]
    order = np.argsort(result.order)
    assert asked == list(map(tuple, result.codes[order].tolist()))
    assert tuner.best == result.best.architecture
    with pytest.raises(NoMoreTrials, match="no more parameters now: the search is over"):
        tuner.generate_parameters(1000)


@pytest.mark.parametrize("strategy", ["random", "aging", "pareto"])
def test_every_strategy_is_a_tuner(toy: Any, tiny: ChainSpace, strategy: str) -> None:
    options = {"random": {"evaluations": 30}, "aging": {"evaluations": 40, "population": 20}}.get(
        strategy, {"population": 20, "generations": 2}
    )
    tuner = StrategyTuner(strategy, options=options, space="spos-tiny", folder=None)
    tuner.update_search_space(space_file(tiny))
    seen = drive(tuner, toy(tiny))
    assert (
        len({json.dumps(parameters) for parameters in seen})
        == len(seen)
        == {"random": 30}.get(strategy, 40)
    )


def test_results_are_also_minimised(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    tuner = StrategyTuner(options={"generations": 8}, optimize_mode="minimize", folder=None)
    tuner.update_search_space(json.dumps(space_file(tiny)))
    drive(tuner, guide)
    every = guide.value(np.concatenate(list(tiny.enumerate_codes())))
    best = tiny.encode([tiny.architecture(tuner.best.choices)])
    assert guide.value(best)[0] < np.quantile(every, 0.01)


def test_a_batch_waits_for_its_last_trial(tiny: ChainSpace) -> None:
    tuner = StrategyTuner(options={"population": 5, "generations": 2}, space=tiny, folder=None)
    with pytest.raises(NoMoreTrials, match=r"search_space.*update_search_space"):
        tuner.generate_parameters(0)
    tuner.update_search_space(space_file(tiny))
    first = tuner.generate_multiple_parameters(list(range(8)))
    assert len(first) == 5
    with pytest.raises(NoMoreTrials, match="no more parameters now: 5 trials have not ended yet"):
        tuner.generate_parameters(8)
    for number in (4, 2, 0, 1):
        tuner.receive_trial_result(number, first[number], float(number))
        tuner.trial_end(number, True)
    assert tuner.generate_multiple_parameters([9]) == []
    tuner.receive_trial_result(3, first[3], 3)
    tuner.trial_end(3, True)
    assert len(tuner.generate_multiple_parameters([10, 11])) == 2


def test_trials_are_sent_when_there_are_any(tiny: ChainSpace) -> None:
    """NNI asks for a number of trials at once and wants those that come later through its
    callback.
    """
    sent: list[tuple[int, dict[str, Any]]] = []
    tuner = StrategyTuner(options={"population": 3, "generations": 2}, space=tiny, folder=None)
    tuner.update_search_space(space_file(tiny))
    given = tuner.generate_multiple_parameters(
        list(range(6)), st_callback=lambda *trial: sent.append(trial)
    )
    assert given == []
    assert [number for number, _ in sent] == [0, 1, 2]
    for number, parameters in sent[:3]:
        tuner.receive_trial_result(number, parameters, 1.0)
        tuner.trial_end(number, True)
    assert [number for number, _ in sent] == [0, 1, 2, 3, 4, 5]
    assert len({json.dumps(parameters) for _, parameters in sent}) == 6


def test_failed_trials_are_left_out(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    tuner = StrategyTuner(options={"population": 6, "generations": 3}, space=tiny, folder=None)
    tuner.update_search_space(space_file(tiny))
    seen = drive(tuner, guide, fails=lambda number: number % 3 == 0 or 6 <= number < 12)
    assert len(seen) == 18  # a whole batch may fail
    kept = [
        value_of(guide, parameters)
        for number, parameters in enumerate(seen)
        if number % 3 and not 6 <= number < 12
    ]
    assert tuner.scores[0] == max(kept)


def test_keys_of_nnis_counter_and_another_order_are_understood(
    toy: Any, tiny: ChainSpace, tmp_path: Path
) -> None:
    names = ["0", "1", "2", "3"]
    given = {
        f"LayerChoice{number}": {"_type": "layer_choice", "_value": names}
        for number in (9, 5, 7, 6, 8, 10)
    }
    tuner = StrategyTuner(options={"population": 10, "generations": 2}, space=tiny, folder=tmp_path)
    tuner.update_search_space(given)
    parameters = tuner.generate_parameters(0)
    assert list(parameters) == list(given)
    assert all(entry["_value"] == names[entry["_idx"]] for entry in parameters.values())
    # The choices of the space are in the order of the numbers.
    search = tuner._search.trials.started()
    assert [parameters[f"LayerChoice{number}"]["_idx"] for number in range(5, 11)] == (
        search.batch[0].tolist()
    )


def test_spos_evolution_has_nnis_arguments(toy: Any, tiny: ChainSpace, tmp_path: Path) -> None:
    guide = toy(tiny)
    tuner = SPOSEvolution(
        max_epochs=3,
        num_select=4,
        num_population=12,
        m_prob=0.2,
        num_crossover=5,
        num_mutation=5,
        folder=tmp_path,
    )
    tuner.update_search_space(space_file(tiny))
    seen = drive(tuner, guide)
    assert len({json.dumps(parameters) for parameters in seen}) == len(seen) == 36
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"{epoch:03d}_{rank:03d}.json" for epoch in (1, 2, 3) for rank in range(4)]
    values = [value_of(guide, parameters) for parameters in seen]
    for epoch in (1, 2, 3):  # the best after every epoch, of all epochs so far
        best = spaces.formats.read(tmp_path / f"{epoch:03d}_000.json", "nni-1.9", tiny)
        assert guide.value(tiny.encode([best]))[0] == pytest.approx(max(values[: 12 * epoch]))


def test_nnis_seed_is_a_seed(toy: Any, tiny: ChainSpace) -> None:
    """NNI's mutation draws from the process's generator, so that two runs of one seed differ."""

    def trials(seed: int) -> list[dict[str, Any]]:
        np.random.seed(None)  # noqa: NPY002
        tuner = SPOSEvolution(max_epochs=3, num_population=12, num_select=4, seed=seed, folder=None)
        tuner.update_search_space(space_file(tiny))
        return drive(tuner, toy(tiny))

    assert trials(1) == trials(1)
    assert trials(1) != trials(2)


def test_constraints_are_kept(toy: Any, tiny: ChainSpace) -> None:
    maximum = float(np.median(tiny.macs(tiny.sample(np.random.default_rng(0), 100))))
    limit = Limit("flops", maximum).bind(tiny, lambda name: pytest.fail(name))
    tuner = SPOSEvolution(
        max_epochs=2, num_population=10, space=tiny, constraints=[limit], folder=None
    )
    tuner.update_search_space(space_file(tiny))
    for parameters in drive(tuner, toy(tiny)):
        assert tiny.macs(np.array([[entry["_idx"] for entry in parameters.values()]]))[0] <= maximum


@pytest.mark.reference_data
def test_nnis_own_file_is_searched(reference_data: Path) -> None:
    text = (reference_data / "nni" / "classic_nas_search_space.json").read_text()
    tuner = StrategyTuner(options={"population": 3, "generations": 9}, folder=None)
    tuner.update_search_space(json.loads(text))
    seen = []
    for number in range(tuner.listed.size):
        seen.append(json.dumps(parameters := tuner.generate_parameters(number)))
        assert set(parameters) == set(json.loads(text))
        assert isinstance(
            parameters["skip"]["_idx"], list
        )  # an input choice, which NNI's own tuner refuses
        tuner.receive_trial_result(number, parameters, float(number))
        tuner.trial_end(number, True)
    assert len(set(seen)) == len(seen)
    assert tuner.finished


def test_what_a_tuner_refuses(tiny: ChainSpace) -> None:
    limit = Limit("flops", 1e12).bind(tiny, lambda name: pytest.fail(name))
    for make, said in (
        (
            lambda: StrategyTuner(optimize_mode="best"),
            "optimize_mode must be 'maximize' or 'minimize', not 'best'",
        ),
        (lambda: StrategyTuner(constraints=[limit]), "constraints need the space that is searched"),
        (
            lambda: SPOSEvolution(num_population=3),
            "num_population must be at least num_select, 10, not 3",
        ),
        (lambda: SPOSEvolution(max_epochs=0), "evolution: generations must be positive, not 0"),
    ):
        with pytest.raises(InvalidOption, match=said):
            make()
    tuner = StrategyTuner(space=tiny, folder=None)
    with pytest.raises(InvalidFile, match="layer_1: unknown _type 'choices'"):
        tuner.update_search_space({"layer_1": {"_type": "choices", "_value": ["a"]}})
    fewer = space_file(tiny)
    fewer["layer_2"]["_value"] = ["k3"]
    with pytest.raises(
        InvalidArchitecture, match="layer_2 has 1 candidates; layer_2 of spos-tiny has 4"
    ):
        tuner.update_search_space(fewer)
    tuner.update_search_space(space_file(tiny))
    with pytest.raises(InvalidGuide, match="parameter_id: trial 5 "):
        tuner.receive_trial_result(5, {}, 1.0)
    tuner.generate_parameters(5)
    for value in ("good", {"loss": 1.0}, None, True, float("nan")):
        with pytest.raises(InvalidGuide, match=r"value: .* trial 5 must be a number, not "):
            tuner.receive_trial_result(5, {}, value)
