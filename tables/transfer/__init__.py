"""Transfer of latencies to a new device from a few measured networks and other devices' costs."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from tables.transfer.model import DeviceTransfer as DeviceTransfer
    from tables.transfer.model import transferred_model as transferred_model
    from tables.transfer.prior import DESIGN_SIZE as DESIGN_SIZE
    from tables.transfer.prior import Prior as Prior

__all__ = ["DESIGN_SIZE", "DeviceTransfer", "Prior", "transferred_model"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "DESIGN_SIZE": ".prior",
        "DeviceTransfer": ".model",
        "Prior": ".prior",
        "transferred_model": ".model",
    },
)
