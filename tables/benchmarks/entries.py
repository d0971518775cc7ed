"""Benchmarks that other projects published: their files, and how these are read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """The files of a benchmark and their readers.

    Args:
        space: Canonical name of its space.
        official: The file that its project publishes.
        published: Address where the file is published.
        readable: Other files that are readable as they are: paths in a folder, each with its reader
            as "module:function".
        importer: Reader of the official file, "module:function".
        admits_folder: Whether the reader takes a folder as well.
    """

    space: str
    official: str
    published: str
    readable: tuple[tuple[str, str], ...]
    importer: str
    admits_folder: bool = False


def _csv(folder: str, file: str, reader: str) -> tuple[tuple[str, str], ...]:
    # In a folder per benchmark or alone, compressed or not.
    return tuple(
        (name, reader) for name in (f"{folder}/{file}.gz", f"{folder}/{file}", f"{file}.gz", file)
    )


_MACRO = "nas-bench-macro_cifar10.json"
_MACRO_READER = "tables.benchmarks.nasbench_macro:read_json"

NASBENCH201 = Entry(
    "nasbench201",
    "NAS-Bench-201-v1_1-096897.pth",
    "https://github.com/D-X-Y/NAS-Bench-201",
    _csv("nasbench201", "accuracy.csv", "tables.benchmarks.nasbench201:read_csv"),
    "tables.benchmarks.nasbench201_release:read_release",
    admits_folder=True,
)
"""15,625 cells of nasbench201, trained on three data sets."""

NASBENCH101 = Entry(
    "nasbench101",
    "nasbench_full.tfrecord",
    "https://github.com/google-research/nasbench",
    _csv("nasbench101", "subset.csv", "tables.benchmarks.nasbench101:read_csv"),
    "tables.benchmarks.nasbench101_release:read_release",
)
"""423,624 cells of nasbench101, trained on CIFAR-10."""

NASBENCH_MACRO = Entry(
    "nasbench-macro",
    _MACRO,
    "https://github.com/xiusu/NAS-Bench-Macro",
    ((_MACRO, _MACRO_READER), (f"nasbench_macro/{_MACRO}", _MACRO_READER)),
    _MACRO_READER,
)
"""6,561 networks of nasbench-macro, trained on CIFAR-10."""

NASBENCH301 = Entry(
    "darts",
    "nb_301_v13",
    "https://github.com/automl/nasbench301",
    (),
    "tables.benchmarks.nasbench301:read_folder",
    admits_folder=True,
)
"""The trained networks of darts from which NAS-Bench-301's surrogates were made."""

NDS_RESNET = Entry(
    "nds-resnet",
    "ResNet.json",
    "https://github.com/facebookresearch/nds",
    (("ResNet.json", "tables.benchmarks.nds:read_resnet"),),
    "tables.benchmarks.nds:read_resnet",
)
"""25,000 ResNets of NDS, trained on CIFAR-10."""

NDS_RESNEXT = Entry(
    "nds-resnext",
    "ResNeXt-A.json",
    "https://github.com/facebookresearch/nds",
    (("ResNeXt-A.json", "tables.benchmarks.nds:read_resnext"),),
    "tables.benchmarks.nds:read_resnext",
)
"""25,000 ResNeXts of NDS, trained on CIFAR-10."""

HARDWARE = "hw-nas-bench"
"""Latencies and energies of NAS-Bench-201's cells, joined where their file exists."""

HARDWARE_ENTRY = Entry(
    "nasbench201",
    "HW-NAS-Bench-v1_0.pickle",
    "https://github.com/GATECH-EIC/HW-NAS-Bench",
    (),
    "tables.benchmarks.hw_nas_bench:read_release",
)
