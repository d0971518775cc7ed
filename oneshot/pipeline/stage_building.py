"""From a stage's entry in a pipeline to its command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import click

from oneshot.pipeline.checks import find_faults, pending_limits
from oneshot.pipeline.document import Document, Entry
from oneshot.pipeline.faults import Fault
from oneshot.pipeline.inputs import named_files
from oneshot.pipeline.joining import Joints, UnresolvedJoint
from oneshot.pipeline.kinds import StageKind
from oneshot.pipeline.options import (
    StageOptions,
    command_arguments,
    flag,
    is_output,
    key_of,
    read_texts,
)
from oneshot.pipeline.pipeline import Stage
from oneshot.pipeline.settings import Setting, StageSettings
from spaces.errors import near_miss


class StageBuilder:
    """Resolves stages one after the other, in the order in which they run.

    Args:
        document: Document of the pipeline, whose general keys go to every stage.
        folder: Folder of the run.
        joints: Files of the earlier stages, to which each stage adds its own.
        plugins: Files of plug-ins that every stage loads.
        faults: Faults of the pipeline so far, to which those of the stages are added.
    """

    def __init__(
        self,
        document: Document,
        folder: Path,
        joints: Joints,
        plugins: Sequence[str],
        faults: list[Fault],
    ):
        self.document = document
        self.folder = folder
        self.joints = joints
        self.plugins = plugins
        self.faults = faults
        self.used_keys: set[str] = set()

    def build(self, kind: StageKind, entry: Entry) -> Stage:
        """Return the stage of an entry, whose files later stages may name from now on.

        Args:
            kind: Kind of the stage.
            entry: Its key, with a mapping of options or nothing.
        """
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
        """Add the files of earlier stages."""
        kind = settings.kind
        try:
            texts = self.joints.join(settings)
        except UnresolvedJoint as error:
            self.faults.append(settings.fault(str(error)))
            return

        paths = {self.joints.files[name] for name in self.joints.replaced}
        for key, values in texts.items():
            option = settings.options.find(key)
            assert option is not None
            unwritten = frozenset(values) - paths
            settings.add(Setting(option, values, f"{kind.name}.{key}", settings.line, unwritten))

    def _add_outputs(self, settings: StageSettings) -> Path:
        """Add the files that the stage writes; return the one that later stages read."""
        kind = settings.kind
        # Every stage that can resume does, so that an interrupted pipeline continues.
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
            # A value that could not be read or joined has been reported.
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
