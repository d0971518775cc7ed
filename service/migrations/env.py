"""The script of alembic, over the connection and transaction of `service.store.migration`."""

from alembic import context

from service.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
