"""`python -m oneshot derive` and `ss-gen`."""

import json
from pathlib import Path
from typing import Any

import spaces
from oneshot.search.result import read_result
from spaces import ChainSpace
from tests.oneshot.commands.running import done


def test_derive_writes_the_best_and_evaluates_them_anew(
    supernet: Path, search_result: Path, tmp_path: Path
) -> None:
    output, folder = search_result, tmp_path / "derived"
    said = done("derive", output, "-n", 3, "-o", folder)
    assert said.splitlines()[-1] == f"wrote {folder}: 3 architectures and derived.jsonl"
    result = read_result(output)
    for rank in range(3):
        assert (
            spaces.formats.read(folder / f"{rank + 1:03d}.json")
            == result.candidate(rank).architecture
        )
    lines = [json.loads(line) for line in (folder / "derived.jsonl").read_text().splitlines()]
    assert [line["score"] for line in lines] == result.scores[:3].tolist()
    other = ("--images", 200, "--recalibration-batches", 2)
    done(
        "derive",
        output,
        "-n",
        3,
        "--evaluate",
        f"supernet:{supernet}",
        *other,
        "-o",
        tmp_path / "anew",
    )
    anew = [
        json.loads(line) for line in (tmp_path / "anew" / "derived.jsonl").read_text().splitlines()
    ]
    assert sorted(line["rank"] for line in anew) == [0, 1, 2]
    assert (
        sorted((line["searched_score"] for line in anew), reverse=True)
        == result.scores[:3].tolist()
    )
    scores = [line["score"] for line in anew]
    assert scores == sorted(scores, reverse=True)
    assert set(scores).isdisjoint(result.scores[:3].tolist())


def test_derive_takes_the_front_or_a_draw(tmp_path: Path, toy: Any, tiny: ChainSpace) -> None:
    from oneshot import SearchProblem, run_search

    result = run_search(SearchProblem(tiny, toy(tiny)), options={"generations": 3})
    path = tmp_path / "found.json"
    result.save(path)
    done("derive", path, "--pick", "front", "--format", "nni", "-o", tmp_path / "front")
    assert len(list((tmp_path / "front").glob("0*.json"))) == len(result.front())
    drawn = [
        json.loads(done_line)
        for done_line in _derived(path, tmp_path / "a", "--pick", "random", "-n", 7)
    ]
    assert drawn == [
        json.loads(line) for line in _derived(path, tmp_path / "b", "--pick", "random", "-n", 7)
    ]
    assert len({line["rank"] for line in drawn}) == 7
    assert {line["rank"] for line in drawn} != set(range(7))
    assert len(_derived(path, tmp_path / "c", "-n", 10_000)) == len(result)


def _derived(path: Path, folder: Path, *options: object) -> list[str]:
    done("derive", path, *options, "-o", folder)
    return (folder / "derived.jsonl").read_text().splitlines()


def test_ss_gen_writes_what_nni_reads(tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    assert done("ss-gen", "--space", "spos", "-o", path) == f"wrote {path}: 20 choices\n"
    value = json.loads(path.read_text())
    assert value["layer_1"] == {"_type": "layer_choice", "_value": ["k3", "k5", "k7", "xcep"]}
    choices = spaces.formats.read_search_space(path.read_text())
    assert [choice.candidates for choice in choices] == [
        choice.candidates for choice in spaces.get("spos").choices
    ]
