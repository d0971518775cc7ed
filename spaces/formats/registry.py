"""The formats by name."""

from __future__ import annotations

from spaces.errors import UnknownName
from spaces.formats.darts import AwNas, Darts
from spaces.formats.format import Format
from spaces.formats.nasbench201 import NasBench201
from spaces.formats.net_config.format import NetConfigFormat
from spaces.formats.nni.format import ANY, NNI_1_9, NNI_2_10, NNI_3_0, Nni
from spaces.formats.nni.sample import NniSample
from spaces.formats.pathfit import Pathfit
from spaces.formats.spos.format import Spos

FORMATS: dict[str, Format] = {
    "pathfit": Pathfit(),
    "nni-sample": NniSample(),
    "nni-1.9": Nni(NNI_1_9),
    "nni-2.10": Nni(NNI_2_10),
    "nni-3.0": Nni(NNI_3_0),
    "nni": Nni(ANY),
    "spos": Spos(),
    "proxylessnas": NetConfigFormat(ofa=False),
    "ofa": NetConfigFormat(ofa=True),
    "nasbench201": NasBench201(),
    "darts": Darts(),
    "aw-nas": AwNas(),
}
"""Name -> format, those that ask for more before those that ask for less, which is the order of
detection.
"""


def available() -> list[str]:
    """The names of all formats."""
    return sorted(FORMATS)


def get(name: str) -> Format:
    """The format of this name; raises UnknownName."""
    if name not in FORMATS:
        raise UnknownName("format", name, available())
    return FORMATS[name]
