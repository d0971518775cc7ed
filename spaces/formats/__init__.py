"""Architectures in the formats of the field's other systems: read, write, detect."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces.formats.conversion import detect as detect
    from spaces.formats.conversion import read as read
    from spaces.formats.conversion import write as write
    from spaces.formats.nni_search_space import read_search_space as read_search_space
    from spaces.formats.nni_search_space import write_search_space as write_search_space
    from spaces.formats.registry import FORMATS as FORMATS
    from spaces.formats.registry import available as available
    from spaces.formats.run_config import write_run_config as write_run_config
    from spaces.formats.spos_checkpoint import load_checkpoint as load_checkpoint
    from spaces.formats.spos_checkpoint import save_checkpoint as save_checkpoint
    from spaces.formats.spos_flops import read_flops_table as read_flops_table

__getattr__, __dir__ = exports(
    __name__,
    {
        "FORMATS": ".registry",
        "available": ".registry",
        "detect": ".conversion",
        "load_checkpoint": ".spos_checkpoint",
        "read": ".conversion",
        "read_flops_table": ".spos_flops",
        "read_search_space": ".nni_search_space",
        "save_checkpoint": ".spos_checkpoint",
        "write": ".conversion",
        "write_run_config": ".run_config",
        "write_search_space": ".nni_search_space",
    },
)
