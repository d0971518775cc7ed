"""Data sets by name or path."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from oneshot.data.errors import InvalidData
from oneshot.data.request import RECORDED, DataRequest
from oneshot.errors import InvalidOption
from spaces.errors import UnknownName
from spaces.plugins import Registry

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.data.text.options import TextOptions

JOINED = frozenset({"voc"})
"""Data sets that may consist of several folders, separated by commas."""

LOADERS = ("auto", "torch", "dali")

TEXTS = ("text", "markov")
"""Data sets of tokens rather than images."""

Source: TypeAlias = "Callable[[DataRequest], ImageData]"

DATA = Registry[Source](
    "data set",
    "pathfit.data",
    {
        "digits": "oneshot.data.digits:load",
        "cifar10": "oneshot.data.cifar:load_10",
        "cifar100": "oneshot.data.cifar:load_100",
        "mnist": "oneshot.data.idx:load_digits",
        "fashion-mnist": "oneshot.data.idx:load_fashion",
        "image-folder": "oneshot.data.folder:load",
        "tiny-imagenet": "oneshot.data.tiny_imagenet:load",
        "masks": "oneshot.data.scenes.masks:load",
        "shapes": "oneshot.data.scenes.shapes:load_boxes",
        "shape-masks": "oneshot.data.scenes.shapes:load_masks",
        "text": "oneshot.data.text.loading:load",
        "markov": "oneshot.data.text.loading:load_markov",
        "voc": "oneshot.data.scenes.voc:load",
        "bdd100k": "oneshot.data.scenes.bdd100k:load",
        "coco": "oneshot.data.scenes.coco:load",
        "imagenet16": "oneshot.data.downsampled_imagenet:load_16",
        "imagenet32": "oneshot.data.downsampled_imagenet:load_32",
        "svhn": "oneshot.data.svhn:load",
    },
    invalid=InvalidOption,
    broken=InvalidData,
)
"""Name -> function that reads the data set of a request."""


def register_data(name: str) -> Callable[[Source], Source]:
    """Return a decorator that registers a function which reads a data set.

    Args:
        name: Name that `load` and `--data` then accept, in lower case and without a colon.

    Raises:
        InvalidOption: The name belongs to a built-in data set, or holds a colon or a slash.
        ValueError: From the decorator, where another data set of a plug-in has the name.
    """
    if DATA.is_built_in(name) or set(name) & set(":/\\") or not name:
        raise InvalidOption(f"the name {name!r} cannot be given to a data set")
    return DATA.register(name)


def available() -> list[str]:
    """Return the sorted names that `load` accepts."""
    return sorted(DATA)


def load(
    name: str | Path,
    input_shape: tuple[int, int, int],
    split_seed: int = 0,
    *,
    loader: str = "auto",
    preprocessing: str = "standard",
    limit: int | None = None,
    validation: float | None = None,
    workers: int | None = None,
    text: TextOptions | Mapping[str, Any] | None = None,
) -> ImageData:
    """Load a data set by name or path.

    Args:
        name: One of `available()`, searched below the folders of PATHFIT_DATA; `NAME:PATH`; or the
            path of a folder of images.
        input_shape: Shape (channels, height, width) of the network's input.
        split_seed: Seed of the validation split.
        loader: Reader of folders: `torch` (Pillow in worker processes), `dali` (NVIDIA DALI), or
            `auto`, which is DALI where it is installed and CUDA is available.
        preprocessing: `standard` or `spos`.
        limit: Greatest number of images in each part; None for all.
        validation: Number of training images in the validation part, or as a float their fraction;
            None for a tenth, at most 50,000.
        workers: Processes or threads that read folders; 0 reads in this process, None starts one
            per processor.
        text: How a text becomes tokens, as an object or a mapping of its options; None for the
            defaults, and for data of other kinds.

    Raises:
        UnknownName: Neither a data set nor a folder has this name.
        InvalidData: Files are missing or broken.
        InvalidOption: An option is invalid.
    """
    if loader not in LOADERS:
        raise InvalidOption(f"loader must be one of {', '.join(LOADERS)}, not {loader!r}")

    # A folder without a registered name is read as `image-folder`.
    canonical, source, paths = _find(str(name))
    kind = _kind(canonical)
    if kind == "text":
        text = _text_options(text)
    elif text is not None:
        raise InvalidOption(
            f"data: level, split and encoding are for text:PATH, not for {name}; leave them out"
        )
    elif kind not in TEXTS and _is_built_in(canonical):
        _check_images(str(name), input_shape)
    return source(
        DataRequest(
            canonical,
            input_shape,
            paths[0] if paths else None,
            split_seed,
            loader,
            preprocessing,
            limit,
            validation,
            workers,
            text,
            paths,
        )
    )


def _kind(canonical: str) -> str:
    """Return the registered name in a canonical one; the path of a folder has none."""
    return canonical.partition(":")[0]


def _text_options(text: TextOptions | Mapping[str, Any] | None) -> TextOptions:
    """Return the options of a text, of which a run's record has a mapping."""
    from oneshot.data.text.options import TextOptions

    return TextOptions(**text) if isinstance(text, Mapping) else text or TextOptions()


def reload(record: Mapping[str, Any], input_shape: tuple[int, int, int]) -> ImageData:
    """Load the data set of a record that `ImageData.record` returned, with the same parts.

    Raises:
        InvalidData: Images or labels have changed since the record was written.
    """
    options = {name: record[name] for name in (*RECORDED, "text") if name in record}
    data = load(record["name"], input_shape, record["split_seed"], **options)
    if record.get("digest", data.digest) != data.digest:
        raise InvalidData(
            f"the data set {data.name} has changed since the run began: the digest of its parts"
            " differs"
        )
    return data


def check_name(name: str) -> None:
    """Raise the error of `load` for a name that no data set has, without reading the images."""
    # A registered name needs no look at its reader, whose import takes seconds.
    if name not in DATA:
        _find(name)


def _is_built_in(canonical: str) -> bool:
    """Return whether a canonical name means one of the data sets of images that Pathfit has."""
    key = _kind(canonical)
    return key not in DATA or DATA.is_built_in(key)


def _check_images(name: str, input_shape: tuple[int, ...]) -> None:
    """Raise InvalidOption where networks of another input are to be trained on images."""
    if len(input_shape) != 3:
        raise InvalidOption(
            f"data: {name} has images; the networks take an input of the shape {input_shape}"
        )


def _find(name: str) -> tuple[str, Source, tuple[Path, ...]]:
    """Return the name to record, the function that reads the set, and its paths, if any."""
    key, colon, location = name.partition(":")
    if key in DATA:
        if not colon:
            return name, DATA.get(key), ()

        paths = _paths(name, key, location)
        return f"{key}:{','.join(str(path.resolve()) for path in paths)}", DATA.get(key), paths

    path = Path(name).expanduser()
    if path.is_dir():
        # The annotations distinguish Tiny-ImageNet's layout from a folder of classes.
        tiny = (path / "val" / "val_annotations.txt").is_file()
        reader = DATA.get("tiny-imagenet" if tiny else "image-folder")
        return str(path.resolve()), reader, (path,)
    if path.exists() or os.sep in name:
        raise InvalidData(
            f"--data {name!r}: {'a file' if path.exists() else 'there is no such folder'}; a folder"
            f" of images, NAME or NAME:PATH is needed, with NAME one of {', '.join(available())}"
        )

    raise UnknownName("data set", name, [*available(), "or the path of a folder of images"])


def _paths(name: str, key: str, location: str) -> tuple[Path, ...]:
    """Return the files or folders that a name has after its colon."""
    whole = Path(location).expanduser()
    # A path that holds a comma is a path first.
    several = key in JOINED and "," in location and not whole.exists()
    paths = [Path(part).expanduser() for part in location.split(",")] if several else [whole]
    for path in paths:
        # An empty path would be the current folder.
        if not location or not str(path) or not path.exists():
            raise InvalidData(
                f"--data {name!r}: {path if location else 'an empty path'} is no file or folder"
            )
    return tuple(paths)
