"""From a pipeline's document to stages with command lines; all faults are reported at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from oneshot.pipeline.document import Document, Entry, read_document
from oneshot.pipeline.faults import Fault, InvalidPipeline
from oneshot.pipeline.joining import Joints
from oneshot.pipeline.kinds import GENERAL_KEYS, PLUGINS, STAGES, StageKind
from oneshot.pipeline.pipeline import Pipeline, Stage
from oneshot.pipeline.stage_building import StageBuilder
from spaces.errors import PathfitError, near_miss

DEFAULT_FOLDER = Path("runs")
"""Folder in which a run without `-o` makes one of the pipeline's name."""


def read_pipeline(
    path: str | Path,
    folder: Path | None = None,
    assignments: Sequence[str] = (),
    plugins: Sequence[str] = (),
) -> Pipeline:
    """Read a pipeline and check it, without writing anything.

    Args:
        path: YAML file.
        folder: Folder of the run; None for one below `runs` with the name of the file.
        assignments: Texts such as `train.epochs=10` that replace values of the file.
        plugins: Files of plug-ins that every stage loads, next to those of the file.

    Raises:
        InvalidFile: The file cannot be read.
        InvalidPipeline: It has faults; all are reported.
    """
    document = read_document(path, assignments)
    return build_pipeline(document, folder or DEFAULT_FOLDER / document.path.stem, plugins)


def build_pipeline(document: Document, folder: Path, plugins: Sequence[str] = ()) -> Pipeline:
    """Resolve the stages of a document; raises InvalidPipeline with all faults."""
    builder = _Builder(document, folder, plugins)
    pipeline = builder.build()
    if builder.faults:
        # Faults of a general key occur once for each stage that has the option.
        raise InvalidPipeline(document.path, list(dict.fromkeys(builder.faults)))

    return pipeline


class _Builder:
    """Builds the stages one after the other and collects faults.

    Args:
        document: Document of the pipeline.
        folder: Folder of the run.
        plugins: Files of plug-ins next to those of the document.
    """

    def __init__(self, document: Document, folder: Path, plugins: Sequence[str]):
        self.document = document
        self.folder = folder
        self.faults = list(document.faults)
        self.joints = Joints()
        self.plugins = list(plugins)

    def build(self) -> Pipeline:
        self._check_keys()
        # Before any value is read: a name may be that of a plug-in.
        self._load_plugins()

        stage_builder = StageBuilder(
            self.document, self.folder, self.joints, self.plugins, self.faults
        )
        stages: list[Stage] = []
        replaced: dict[str, str] = {}
        for kind in STAGES.values():
            entry = self.document.entries.get(kind.name)
            if entry is None:
                continue

            # A mapping or nothing has options; a text is the path of a finished stage.
            if isinstance(entry.value, list):
                self._report(entry, "takes options, or the path of a file that replaces the stage")
            elif isinstance(entry.value, str):
                replaced[kind.name] = entry.value
                self._replace(kind, entry, entry.value)
            else:
                stages.append(stage_builder.build(kind, entry))

        self._check_general_keys(stage_builder.used_keys)
        return Pipeline(self.document.path, self.folder, tuple(stages), replaced)

    def _check_keys(self) -> None:
        """Report unknown keys, and a pipeline without stages."""
        keys = [*GENERAL_KEYS, *STAGES]
        for entry in self.document.entries.values():
            if entry.key not in keys:
                listed = f"a pipeline has {', '.join(keys)}{near_miss(entry.key, keys)}"
                self._report(entry, f"unknown key; {listed}")

        if not self.document.entries.keys() & STAGES.keys():
            self.faults.append(Fault("", f"no stages; there are {', '.join(STAGES)}"))

    def _load_plugins(self) -> None:
        """Load plug-ins, which may add spaces, algorithms and other entries."""
        from spaces.plugins import load_file

        entry = self.document.entries.get(PLUGINS)
        if entry is None or entry.value is None:
            return

        paths = entry.value if isinstance(entry.value, list) else [entry.value]
        for path in paths:
            if not isinstance(path, str):
                self._report(entry, "takes the paths of Python files")
                continue

            try:
                load_file(path)
            except PathfitError as error:
                self._report(entry, str(error))

            self.plugins.append(path)

    def _check_general_keys(self, used_keys: Collection[str]) -> None:
        """Report general keys that no stage has an option for."""
        for key in GENERAL_KEYS:
            entry = self.document.entries.get(key)
            if entry is None or key in used_keys or key == PLUGINS:
                continue
            self._report(entry, f"no stage of this pipeline has the option --{key}")

    def _replace(self, kind: StageKind, entry: Entry, path: str) -> None:
        """Check and register the path that replaces a stage."""
        from tables.store import load

        self.joints.files[kind.name] = path
        self.joints.replaced.add(kind.name)
        if kind.name == "search":
            self.joints.space = None

        if kind.name == "profile":
            # A table has a name too, by which the tables' folders are searched.
            try:
                load(path)
            except PathfitError as error:
                self._report(entry, str(error))
        elif not Path(path).exists():
            self._report(entry, f"there is no file or folder {path}")

    def _report(self, entry: Entry, message: str) -> None:
        self.faults.append(Fault(entry.key, message, entry.line))
