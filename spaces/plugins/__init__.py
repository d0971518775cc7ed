"""Plug-ins, and the registries that they add to.

A plug-in is an installed package with entry points, or a Python file that the user names. An entry
point `NAME = module:attribute` registers the attribute under NAME and is imported on demand. An
entry point `NAME = module` is imported as soon as names are listed, and registers by decorators.
"""

from spaces.plugins.loading import load_file as load_file
from spaces.plugins.options import REQUIRED as REQUIRED
from spaces.plugins.options import Option as Option
from spaces.plugins.options import options_of as options_of
from spaces.plugins.registry import BUILT_IN as BUILT_IN
from spaces.plugins.registry import Registry as Registry

__all__ = ["BUILT_IN", "REQUIRED", "Option", "Registry", "load_file", "options_of"]
