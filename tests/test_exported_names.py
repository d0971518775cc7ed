"""Every name that a package exports: documented, with an example that runs."""

import contextlib
import doctest
import importlib
import inspect
import io
from pathlib import Path

import pytest

from service.commands.list_ import REGISTRIES

PACKAGES = (
    "spaces",
    "spaces.elastic",
    "spaces.heads",
    "tables",
    "profiler",
    "predictor",
    "predictor.verdict",
    "oneshot",
    "service",
)
EXPORTED = [
    (package, name)
    for package in PACKAGES
    for name in importlib.import_module(package).__all__
    if not name.startswith("__")
]


@pytest.mark.parametrize(
    ("package", "name"), EXPORTED, ids=[".".join(exported) for exported in EXPORTED]
)
def test_example_of_exported_name_runs(
    package: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exported = getattr(importlib.import_module(package), name)
    if not (inspect.isclass(exported) or inspect.isroutine(exported) or inspect.ismodule(exported)):
        pytest.fail(f"{package}.{name} is a {type(exported).__name__}, which holds no docstring")
    finder = doctest.DocTestFinder(recurse=False)
    found = [test for test in finder.find(exported, name, module=False) if test.examples]
    assert found, f"{package}.{name} has no example in its docstring"

    report = io.StringIO()
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    # The names of its module, as doctest gives them.
    home = exported if inspect.ismodule(exported) else inspect.getmodule(exported)
    with contextlib.ExitStack() as stack:
        # An example may register an entry, which no later test should meet.
        for kind in REGISTRIES:
            stack.enter_context(REGISTRIES.get(kind).preserved())
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        for test in found:
            test.globs = dict(vars(home))
            runner.run(test, out=report.write)
    assert runner.summarize(verbose=False).failed == 0, report.getvalue()


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_are_listed_once_and_resolve(package: str) -> None:
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
