"""Where the files of a named data set are."""

from __future__ import annotations

import os
from pathlib import Path

from oneshot.data.errors import InvalidData
from oneshot.data.request import DataRequest

FOLDERS = "PATHFIT_DATA"
"""Environment variable: folders, separated as in PATH, in which data sets are looked for by
name.
"""


def located(
    request: DataRequest, names: tuple[str, ...], title: str, *, own_folder: bool = False
) -> Path:
    """The file or folder of a set: what the user named, or what a folder of PATHFIT_DATA holds.

    Args:
        request: what was asked for.
        names: files and folders that would do, each the whole set, in order of preference.
        title: of the set, and where it is published, for the error.
        own_folder: below PATHFIT_DATA look in the set's own folder alone, for other sets' files are
            named alike.

    Raises:
        InvalidData: there is none of them.
    """
    if request.path is not None:
        roots = [request.path]
        if request.path.is_file() or request.path.name in names:
            return request.path
    else:
        named = [
            Path(part).expanduser()
            for part in os.environ.get(FOLDERS, "").split(os.pathsep)
            if part
        ]
        roots = [
            place
            for folder in named
            for place in (folder / request.name, folder)[: 1 if own_folder else 2]
        ]
    for root in roots:
        for name in names:
            if (root / name).exists():
                return root / name
    if not roots:
        raise InvalidData(
            f"where is {title}? write --data {request.name}:PATH, or let {FOLDERS} name the folder"
            " that holds it"
        )
    raise InvalidData(
        f"{title} was not found: looked for {' or '.join(names)} in {', '.join(map(str, roots))}"
    )
