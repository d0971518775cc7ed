"""Search strategies, one a file, by ask and tell; see `oneshot.strategies.base`."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.strategies.base import Strategy as Strategy
    from oneshot.strategies.registry import available as available
    from oneshot.strategies.registry import options_of as options_of
    from oneshot.strategies.registry import register_strategy as register_strategy

__getattr__, __dir__ = exports(
    __name__,
    {
        "Strategy": ".base",
        "available": ".registry",
        "options_of": ".registry",
        "register_strategy": ".registry",
    },
)
