"""As it was written for SQLAlchemy 1.4, with a schema of its own that env.py sees to."""

import os

from alembic import context
from sqlalchemy import engine_from_config, pool, text

config = context.config
if "DATABASE_URL" in os.environ:
    config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%"))
connectable = engine_from_config(
    config.get_section(config.config_ini_section),
    prefix="sqlalchemy.",
    poolclass=pool.NullPool,
    connect_args={"options": "-c search_path=shop,public -c lock_timeout=4500"},
)
with connectable.connect() as connection:
    with connection.begin():
        connection.execute(text("SET statement_timeout = '1min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('alembic'))"))
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS shop"))
        connection.execute(text('CREATE SCHEMA IF NOT EXISTS "version\'s"'))
    context.configure(connection=connection, version_table_schema="version's")
    with context.begin_transaction():
        context.run_migrations()
