"""The search for the files of a named data set."""

from __future__ import annotations

import os
from pathlib import Path

from oneshot.data.errors import InvalidData
from oneshot.data.request import DataRequest

FOLDERS = "PATHFIT_DATA"
"""Environment variable with the folders, separated as in PATH, that hold data sets by name."""


def locate(
    request: DataRequest, names: tuple[str, ...], title: str, *, own_folder: bool = False
) -> Path:
    """Find the file or folder of a data set, from the request or below a folder of PATHFIT_DATA.

    Args:
        request: The request, with the path that the user named, if any.
        names: Names of files and folders that each hold the complete set, in order of preference.
        title: Title and homepage of the set, for the error.
        own_folder: Whether to search only the set's own folder below PATHFIT_DATA, because other
            sets' files have the same names.

    Raises:
        InvalidData: None of them exists.
    """
    if request.path is not None:
        # A path of the user's is never replaced by a folder of PATHFIT_DATA.
        roots = [request.path]
        if request.path.is_file() or request.path.name in names:
            return request.path
    else:
        folders = [
            Path(folder).expanduser()
            for folder in os.environ.get(FOLDERS, "").split(os.pathsep)
            if folder
        ]
        roots = []
        for folder in folders:
            roots += [folder / request.name] if own_folder else [folder / request.name, folder]

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
