"""An architecture is read from whatever holds one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from oneshot.errors import InvalidOption
from oneshot.retraining.source import read_source
from spaces import ChainSpace, formats
from spaces.errors import InvalidArchitecture, InvalidFile, PathfitError, UnknownName

SPOS = (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)


@pytest.fixture
def result(small: ChainSpace) -> dict[str, Any]:
    """A search result with three candidates, the best two in full."""
    codes = np.array([[3, 0, 2], [1, 1, 1], [0, 0, 0]])
    best = [{"architecture": one.to_dict(), "score": 1.0} for one in small.decode(codes[:2])]
    return {
        "format": "pathfit-search-result",
        "version": 1,
        "space": small.name,
        "best": best,
        "candidates": {"codes": codes.tolist()},
    }


@pytest.mark.parametrize("name", sorted(formats.available()))
def test_every_format_is_read(name: str, tmp_path: Path) -> None:
    origin = {
        "proxylessnas": "proxyless-mobile",
        "darts": "darts-v2",
        "aw-nas": "darts-v1",
        "darts-rnn": "darts-rnn-v1",
        "aw-nas-dense": "msrobnet-1560",
    }.get(name, "spos")
    if name in ("ofa", "nasbench201"):
        space = spaces.get("ofa-mobilenetv3" if name == "ofa" else name)
        architecture = space.sample(np.random.default_rng(0))
    else:
        architecture = spaces.published(origin)
    path = tmp_path / "arch"
    path.write_text(formats.write(architecture, name))
    if name == "ofa":
        from spaces.formats import write_run_config

        path = tmp_path / "net.config"
        path.write_text(formats.write(architecture, name))
        (tmp_path / "run.config").write_text(write_run_config(architecture))
    found = read_source(path, space=architecture.space, format=name)
    assert found == architecture
    if name not in ("ofa", "nni-sample") and not name.startswith("nni"):
        assert read_source(path, space=architecture.space) == architecture


def test_formats_that_say_their_space_need_none(tmp_path: Path) -> None:
    for text, expected in (
        (str(SPOS), "spos"),
        (formats.write(spaces.published("darts-v2"), "darts"), "darts-v2"),
    ):
        (tmp_path / "arch").write_text(text)
        assert read_source(tmp_path / "arch") == spaces.published(expected)


def test_published_names_are_architectures() -> None:
    assert read_source("proxyless-mobile") == spaces.published("proxyless-mobile")
    other = read_source("spos", space="spos(input_size=64, num_classes=10)")
    assert other.space == "spos(input_size=64, num_classes=10)"
    assert other.choices == spaces.published("spos").choices


@pytest.mark.parametrize("wrapped", ["result", "job"])
@pytest.mark.parametrize("listed", [True, False])
def test_results_and_jobs_have_ranks(
    result: dict[str, Any], small: ChainSpace, tmp_path: Path, wrapped: str, listed: bool
) -> None:
    if not listed:
        del result["candidates"]  # as the service keeps it
    path = tmp_path / "result.json"
    path.write_text(
        json.dumps(
            result if wrapped == "result" else {"id": "1", "state": "done", "result": result}
        )
    )
    assert read_source(path) == small.architecture([3, 0, 2])
    assert read_source(path, index=1) == small.architecture([1, 1, 1])
    if listed:
        assert read_source(path, index=2) == small.architecture([0, 0, 0])
    with pytest.raises(
        InvalidOption, match=rf"{path} holds {3 if listed else 2} architectures, counted from 0"
    ):
        read_source(path, index=3)


def test_lists_have_places(small: ChainSpace, tmp_path: Path) -> None:
    architectures = small.decode(np.array([[0, 1, 2], [3, 3, 3]]))
    path = tmp_path / "archs"
    lines = [
        json.dumps({"architecture": architectures[0].to_dict(), "metrics": {}}),
        architectures[1].to_json(),
    ]
    for text in ("\n".join(lines), json.dumps([one.to_dict() for one in architectures])):
        path.write_text(text)
        assert [read_source(path, index=place) for place in range(2)] == architectures
    path.write_text(lines[0])
    assert read_source(path) == architectures[0]
    path.write_text(lines[1])
    assert read_source(path) == architectures[1]


def test_choices_find_another_home(small: ChainSpace, tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_text(small.architecture([0, 1, 2]).to_json())
    larger = small.name.replace("input_size=16", "input_size=32")
    found = read_source(path, space=larger)
    assert found == spaces.get(larger).architecture([0, 1, 2])
    with pytest.raises(InvalidArchitecture, match="has other choices than spos"):
        read_source(path, space="spos")


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("{", InvalidFile, "is in no format of an architecture"),
        ("", InvalidFile, "is in no format of an architecture"),
        (
            '{"format": "pathfit-search-result", "space": "spos-tiny"}',
            InvalidFile,
            "not a search result",
        ),
        (
            '{"format": "pathfit-search-result", "best": [{"architecture": 3}]}',
            InvalidArchitecture,
            "is an object with",
        ),
        ('{"space": "no", "choices": {}}', PathfitError, "unknown space 'no'"),
        (
            '[{"space": "spos"}]',
            InvalidArchitecture,
            "architecture 0: the architecture lacks the key 'choices'",
        ),
    ],
)
def test_what_is_no_architecture_is_named(
    tmp_path: Path, content: str, error: type[PathfitError], said: str
) -> None:
    path = tmp_path / "arch"
    path.write_text(content)
    with pytest.raises(error, match=said) as caught:
        read_source(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_that_are_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"no-such is no file, and no published network: .*spos"):
        read_source("no-such")
    with pytest.raises(InvalidOption, match="spos is one architecture, 0, and has no 1"):
        read_source("spos", index=1)
    with pytest.raises(UnknownName, match="unknown space 'sops'"):
        read_source("spos", space="sops")
