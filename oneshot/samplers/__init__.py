"""Path samplers: the sub-networks that an update of a supernet's training runs."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.samplers.base import PathSampler as PathSampler
    from oneshot.samplers.cost import UniformCost as UniformCost
    from oneshot.samplers.fair import Fair as Fair
    from oneshot.samplers.settings import SamplerSettings as SamplerSettings
    from oneshot.samplers.uniform import Uniform as Uniform

__getattr__, __dir__ = exports(
    __name__,
    {
        "Fair": ".fair",
        "PathSampler": ".base",
        "SamplerSettings": ".settings",
        "Uniform": ".uniform",
        "UniformCost": ".cost",
    },
)
