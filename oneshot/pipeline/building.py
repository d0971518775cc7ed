"""From a pipeline's document to stages with command lines; all faults are reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import click

from oneshot.pipeline.checks import find_faults, pending_limits
from oneshot.pipeline.document import Document, Entry, read_document
from oneshot.pipeline.faults import Fault, InvalidPipeline
from oneshot.pipeline.inputs import named_files
from oneshot.pipeline.joining import (
    Joints,
    UnresolvedJoint,
)
from oneshot.pipeline.kinds import GENERAL_KEYS, PLUGINS, STAGES, StageKind
from oneshot.pipeline.options import (
    StageOptions,
    command_arguments,
    flag,
    is_output,
    key_of,
    read_texts,
)
from oneshot.pipeline.pipeline import Pipeline, Stage
from oneshot.pipeline.settings import Setting, StageSettings
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
        folder: Folder of the run; None for one below `runs` that is named like the file.
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
        self.used_keys: set[str] = set()

    def build(self) -> Pipeline:
        self._check_keys()
        self._load_plugins()
        stages: list[Stage] = []
        replaced: dict[str, str] = {}
        for kind in STAGES.values():
            entry = self.document.entries.get(kind.name)
            if entry is None:
                continue
            if isinstance(entry.value, list):
                self._report(entry, "takes options, or the path of a file that replaces the stage")
            elif isinstance(entry.value, str):
                replaced[kind.name] = entry.value
                self._replace(kind, entry, entry.value)
            else:
                stages.append(self._stage(kind, entry))
        self._check_general_keys()
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
        """Load plug-ins first: they may add spaces, algorithms and other entries."""
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

    def _check_general_keys(self) -> None:
        for key in GENERAL_KEYS:
            entry = self.document.entries.get(key)
            if entry is None or key in self.used_keys or key == PLUGINS:
                continue
            self._report(entry, f"no stage of this pipeline has the option --{key}")

    def _replace(self, kind: StageKind, entry: Entry, path: str) -> None:
        """Check and register the path that takes the place of a stage."""
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

    def _stage(self, kind: StageKind, entry: Entry) -> Stage:
        """Resolve a stage; its faults are added to all others."""
        settings = StageSettings(kind, StageOptions(kind), entry.line)
        self._add_general(settings)
        values = entry.value if isinstance(entry.value, dict) else {}
        for value in values.values():
            self._add(settings, value)
        settings.networks = self.joints.space
        self._add_joints(settings)
        output = self._add_outputs(settings)

        self.joints.files[kind.name] = str(output)
        if kind.name == "train":
            self.joints.training = settings
        if kind.name in ("train", "search"):
            self.joints.space = settings.text("space")
        self._check_required(settings)
        self.faults += find_faults(settings)
        return self._resolved(settings, output)

    def _add_general(self, settings: StageSettings) -> None:
        for key, option in settings.options.general().items():
            entry = self.document.entries.get(key)
            if entry is not None:
                self.used_keys.add(key)
                self._set(settings, option, entry, key)

    def _add(self, settings: StageSettings, entry: Entry) -> None:
        """Add an option of the stage's own keys."""
        stage = settings.kind.name
        key = f"{stage}.{entry.key}"
        option = settings.options.find(entry.key)
        if option is None:
            keys = settings.options.keys()
            listed = f"{stage} has {', '.join(keys)}"
            guess = near_miss(entry.key.replace("_", "-"), keys)
            self.faults.append(Fault(key, f"unknown option; {listed}{guess}", entry.line))
        elif key_of(option) == "resume":
            message = "every run of a pipeline resumes; remove the key"
            self.faults.append(Fault(key, message, entry.line))
        else:
            # A stage's own key precedes the general one of the same option.
            previous = settings.settings.get(flag(option))
            if previous is not None and previous.key.startswith(f"{stage}."):
                message = f"the same option as {previous.key} in line {previous.line}"
                self.faults.append(Fault(key, message, entry.line))
            self._set(settings, option, entry, key)

    def _set(self, settings: StageSettings, option: click.Option, entry: Entry, key: str) -> None:
        """Read, resolve and check the texts of an option."""
        name = key_of(option)
        try:
            written = read_texts(option, entry.value)
            texts = [self.joints.resolve(text, name, settings) for text in written]
            pending = [self.joints.is_pending(text, name) for text in written]
            if is_output(option):
                texts = [str(self._inside(text)) for text in texts]
        except (ValueError, UnresolvedJoint) as error:
            self.faults.append(Fault(key, str(error), entry.line))
            return

        # A file that a stage is still to write does not exist yet for the option's type.
        unwritten = frozenset(text for text, missing in zip(texts, pending, strict=True) if missing)
        setting = Setting(option, tuple(texts), key, entry.line, unwritten)
        settings.add(setting)
        if unwritten or not texts:
            return
        try:
            settings.options.check(option, texts)
        except click.BadParameter as error:
            self.faults.append(setting.fault(error.message))

    def _inside(self, text: str) -> Path:
        """Return the path of an output; raises ValueError for one outside the run's folder."""
        path = PurePath(text)
        if path.is_absolute() or ".." in path.parts or path == PurePath():
            raise ValueError(f"{text!r} is no path within the folder of the run")
        return self.folder / path

    def _add_joints(self, settings: StageSettings) -> None:
        """Add what comes from earlier stages."""
        kind = settings.kind
        try:
            texts = self.joints.join(settings)
        except UnresolvedJoint as error:
            self.faults.append(settings.fault(str(error)))
            return
        for key, text in texts.items():
            option = settings.options.find(key)
            assert option is not None
            paths = {self.joints.files[name] for name in self.joints.replaced}
            unwritten = frozenset() if text in paths else frozenset({text})
            settings.add(Setting(option, (text,), f"{kind.name}.{key}", settings.line, unwritten))

    def _add_outputs(self, settings: StageSettings) -> Path:
        """Add the files that the stage writes; return the one that later stages read."""
        kind = settings.kind
        resume = settings.options.find("resume")
        if resume is not None:
            settings.add(Setting(resume, ("true",), f"{kind.name}.resume"))
        for option_flag, name in (("-o", kind.output), *kind.reports):
            option = settings.options.find(option_flag.lstrip("-"))
            assert option is not None
            if flag(option) not in settings.settings:
                text = str(self.folder / name)
                settings.add(Setting(option, (text,), f"{kind.name}.{key_of(option)}"))
        return Path(settings.texts("output")[0])

    def _check_required(self, settings: StageSettings) -> None:
        faulty = {fault.key for fault in self.faults}
        for option in settings.options.all():
            key = f"{settings.kind.name}.{key_of(option)}"
            is_missing = option.required and flag(option) not in settings.settings
            # What could not be read or joined has been reported.
            if not is_missing or faulty & {key, key_of(option), settings.kind.name}:
                continue
            general = f", or `{key_of(option)}` for all stages"
            hint = general if key_of(option) in settings.options.general() else ""
            self.faults.append(settings.fault(f"{key} is required{hint}"))

    def _resolved(self, settings: StageSettings, output: Path) -> Stage:
        kind = settings.kind
        package, command = kind.command
        arguments = [package]
        for path in self.plugins:
            arguments += ["--plugin", path]
        arguments += [command, *settings.arguments]
        outputs = []
        # In the order of the command's help, so that the order of keys in the file is no change.
        for option in settings.options.all():
            setting = settings.settings.get(flag(option))
            if setting is not None:
                arguments += command_arguments(option, setting.texts)
                if is_output(option):
                    outputs += [Path(text) for text in setting.texts]

        inputs = [Path(text) for text in settings.arguments]
        inputs += [Path(path) for path in self.plugins]
        inputs += self._inputs(settings)
        return Stage(
            kind,
            tuple(arguments),
            output,
            tuple(outputs),
            tuple(dict.fromkeys(inputs)),
            tuple(settings.needs),
            tuple(pending_limits(settings)),
        )

    def _inputs(self, settings: StageSettings) -> Iterator[Path]:
        """Yield the files that the options name, and those of needed stages."""
        for name in settings.needs:
            yield Path(self.joints.files[name])
        for setting in settings.settings.values():
            if not is_output(setting.option):
                for text in setting.texts:
                    yield from named_files(text)

    def _report(self, entry: Entry, message: str) -> None:
        self.faults.append(Fault(entry.key, message, entry.line))
