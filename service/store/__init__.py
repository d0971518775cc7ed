"""The store of jobs, events, tokens and uploads; SQLite by default, PostgreSQL by URL."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from service.store.database import InvalidStore as InvalidStore
    from service.store.engines import EngineStatus as EngineStatus
    from service.store.events import Event as Event
    from service.store.files import FileVersion as FileVersion
    from service.store.idempotency import IdempotencyConflict as IdempotencyConflict
    from service.store.idempotency import IdempotencyKey as IdempotencyKey
    from service.store.rows import ANY as ANY
    from service.store.store import Store as Store
    from service.store.timeouts import Timeouts as Timeouts
    from service.store.tokens import InvalidToken as InvalidToken
    from service.store.tokens import QuotaExceeded as QuotaExceeded
    from service.store.tokens import StorageExceeded as StorageExceeded
    from service.store.tokens import Token as Token

__getattr__, __dir__ = exports(
    __name__,
    {
        "ANY": ".rows",
        "EngineStatus": ".engines",
        "Event": ".events",
        "FileVersion": ".files",
        "IdempotencyConflict": ".idempotency",
        "IdempotencyKey": ".idempotency",
        "InvalidStore": ".database",
        "InvalidToken": ".tokens",
        "QuotaExceeded": ".tokens",
        "StorageExceeded": ".tokens",
        "Store": ".store",
        "Timeouts": ".timeouts",
        "Token": ".tokens",
    },
)
