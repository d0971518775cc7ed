"""Architectures in the formats of other systems: read, write, detect.

Example:
    >>> import spaces
    >>> architecture = spaces.formats.read("(0, 1, 2, 3, 0, 1)", space="spos-tiny")
    >>> spaces.formats.detect(spaces.formats.write(architecture, "pathfit"))
    'pathfit'
"""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces.formats.collections import register_collection as register_collection
    from spaces.formats.conversion import detect as detect
    from spaces.formats.conversion import names_space as names_space
    from spaces.formats.conversion import read as read
    from spaces.formats.conversion import write as write
    from spaces.formats.files import read_architecture as read_architecture
    from spaces.formats.files import read_architectures as read_architectures
    from spaces.formats.net_config.run_config import write_run_config as write_run_config
    from spaces.formats.nni.search_space import read_search_space as read_search_space
    from spaces.formats.nni.search_space import write_search_space as write_search_space
    from spaces.formats.registry import FORMATS as FORMATS
    from spaces.formats.registry import available as available
    from spaces.formats.registry import register_format as register_format
    from spaces.formats.spos.checkpoint import load_checkpoint as load_checkpoint
    from spaces.formats.spos.checkpoint import save_checkpoint as save_checkpoint
    from spaces.formats.spos.flops import read_flops_table as read_flops_table

__getattr__, __dir__ = exports(
    __name__,
    {
        "FORMATS": ".registry",
        "available": ".registry",
        "detect": ".conversion",
        "load_checkpoint": ".spos.checkpoint",
        "names_space": ".conversion",
        "read": ".conversion",
        "read_architecture": ".files",
        "read_architectures": ".files",
        "read_flops_table": ".spos.flops",
        "read_search_space": ".nni.search_space",
        "register_collection": ".collections",
        "register_format": ".registry",
        "save_checkpoint": ".spos.checkpoint",
        "write": ".conversion",
        "write_run_config": ".net_config.run_config",
        "write_search_space": ".nni.search_space",
    },
)
