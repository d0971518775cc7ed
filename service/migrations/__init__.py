"""Migrations of the store's tables, which alembic runs."""
