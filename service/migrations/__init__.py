"""Migrations of the store's tables, run by alembic."""
