"""Which guides a search of a space may use."""

import json
from pathlib import Path

import pytest

import spaces
from service.admission.guides import resolve_guide
from service.catalog.catalog import Catalog
from service.problems import Problem
from service.schemas.search import SearchRequest
from service.settings import Settings

SEARCH_NETWORK = "darts-search"
LATER = "a-space-of-a-plug-in-that-is-gone"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A catalog with a supernet of the network of a search, and one of an unknown space."""
    for name, space in (("small", SEARCH_NETWORK), ("later", LATER)):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        settings = {"kind": "supernet", "space": space, "data": {"name": "digits"}}
        (folder / "run.json").write_text(json.dumps(settings))
        (folder / "weights.safetensors").write_bytes(b"weights")
    return Catalog(Settings(tmp_path / "data", (), (), supernets=(tmp_path / "runs",)))


def request(space: str, **guide: str) -> SearchRequest:
    return SearchRequest.model_validate({"space": space, "guide": {"kind": "supernet", **guide}})


@pytest.mark.parametrize("space", ["darts", SEARCH_NETWORK])
@pytest.mark.parametrize("named", [True, False])
def test_search_network_guides_the_space_that_it_searches_for(
    catalog: Catalog, space: str, named: bool
) -> None:
    body = request(space, name="small") if named else request(space)

    guide = resolve_guide(body, spaces.get(space), catalog)

    assert guide.name == "small"
    assert guide.supernet is not None


def test_supernet_of_another_space_is_refused(catalog: Catalog) -> None:
    with pytest.raises(Problem, match="the supernet 'small' is of darts-search, not darts-tiny"):
        resolve_guide(request("darts-tiny", name="small"), spaces.get("darts-tiny"), catalog)


def test_supernet_of_an_unknown_space_is_refused(catalog: Catalog) -> None:
    with pytest.raises(Problem, match=f"is of {LATER}, not darts"):
        resolve_guide(request("darts", name="later"), spaces.get("darts"), catalog)
