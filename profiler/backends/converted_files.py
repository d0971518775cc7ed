"""Files of converted networks, for runtimes whose conversion takes seconds."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from spaces.architecture import Architecture
from spaces.space import SearchSpace


class ConvertedFiles:
    """Converts each network once, however often it is rebuilt; its files end with this object.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> architecture = space.architecture([0] * len(space.choices))
        >>> files = ConvertedFiles()
        >>> folder = files.folder(space, architecture, lambda folder: (folder / "net").touch())
        >>> [path.name for path in folder.iterdir()]
        ['net']
    """

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="pathfit-"))
        weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)

    def folder(
        self, space: SearchSpace, architecture: Architecture, convert: Callable[[Path], object]
    ) -> Path:
        """Return the folder with the files of an architecture's network.

        Args:
            space: Space of the network, whose phase is part of its name.
            architecture: Architecture of the network.
            convert: Writes the files to an empty folder.
        """
        text = f"{space.name} {space.input_shape} {architecture.to_json()}"
        folder = self._root / hashlib.sha256(text.encode()).hexdigest()
        if not folder.is_dir():
            # A conversion that fails must not leave a folder that looks complete.
            unfinished = Path(tempfile.mkdtemp(dir=self._root))
            convert(unfinished)
            unfinished.rename(folder)
        return folder


@contextlib.contextmanager
def without_messages() -> Iterator[None]:
    """Drop what a converter prints and logs within a block."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(before)
