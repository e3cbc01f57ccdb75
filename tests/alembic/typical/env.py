"""As `alembic init` writes it, with an engine that keeps its connections."""

import os

from alembic import context
from sqlalchemy import create_engine

engine = create_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg2://nobody@nowhere.invalid/nothing"))

with engine.connect() as connection:
    context.configure(
        connection=connection,
        transaction_per_migration=context.get_x_argument(as_dictionary=True).get("per") == "migration",
        include_schemas=True,
    )
    with context.begin_transaction():
        context.run_migrations()
