"""Spaces that requests may name."""

from pathlib import Path

import pytest

import spaces
from service.catalog.catalog import Catalog
from service.settings import Settings
from spaces.errors import UnknownName

DETECTORS = "spos-tiny(head=ssdlite, input_size=64)"


def catalog(folder: Path, *names: str) -> Catalog:
    """A catalog without predictors and supernets."""
    return Catalog(Settings(folder, predictors=(), supernets=(), spaces=names))


def test_spaces_of_the_settings_are_known_in_any_spelling(tmp_path: Path) -> None:
    canonical = spaces.get(DETECTORS).name
    known = catalog(tmp_path, canonical)

    assert canonical in known.spaces()
    for name in (canonical, DETECTORS, "spos-tiny(input_size=64, head='ssdlite')"):
        assert known.space(name).name == canonical


@pytest.mark.parametrize(
    "name",
    [
        DETECTORS,
        "spos-tiny(head=ssdlite, input_size=65)",
        "spos-tiny(head=mask, input_size=64)",
        "spos-tiny(head=ssdlite, input_size=64, channels=(99999, 999999, 9999999))",
        "spos-tiny(",
    ],
)
def test_other_parameters_are_refused(tmp_path: Path, name: str) -> None:
    known = catalog(tmp_path, spaces.get("spos-tiny(head=ssdlite, input_size=96)").name)
    with pytest.raises(UnknownName):
        known.space(name)
