"""What alembic runs: migrations over the connection that `service.store.migration` gives, in its
transaction.
"""

from alembic import context

from service.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
