"""Formats by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from spaces.formats.format import Format
from spaces.plugins import Registry

FORMATS = Registry[Callable[[], Format]](
    "format",
    "pathfit.formats",
    # The order of detection: a format that requires more comes before one that requires less.
    {
        "pathfit": "spaces.formats.pathfit:Pathfit",
        "nni-sample": "spaces.formats.nni.sample:NniSample",
        "nni-1.9": "spaces.formats.nni.format:nni_1_9",
        "nni-2.10": "spaces.formats.nni.format:nni_2_10",
        "nni-3.0": "spaces.formats.nni.format:nni_3_0",
        "nni": "spaces.formats.nni.format:nni_any",
        "spos": "spaces.formats.spos.format:Spos",
        "proxylessnas": "spaces.formats.net_config.format:proxylessnas",
        "ofa": "spaces.formats.net_config.format:ofa",
        "nasbench201": "spaces.formats.nasbench201:NasBench201",
        "aw-nas-dense": "spaces.formats.dense_cells:AwNasDense",
        "darts-rnn": "spaces.formats.recurrent:DartsRecurrent",
        "darts": "spaces.formats.darts:Darts",
        "aw-nas": "spaces.formats.darts:AwNas",
    },
)
"""Name -> function or class that makes the format; those of plug-ins are detected last."""

F = TypeVar("F", bound=Callable[[], Format])


def register_format(name: str) -> Callable[[F], F]:
    """Return a decorator that registers a Format class, or a function that makes a Format.

    Args:
        name: Name of the format; it can be taken once.
    """
    return FORMATS.register(name)


def available() -> list[str]:
    """Return the sorted names of all formats."""
    return sorted(FORMATS)


def get(name: str) -> Format:
    """Return the format of a name; raises UnknownName."""
    return FORMATS.get(name)()
