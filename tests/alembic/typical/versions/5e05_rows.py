"""Transaction: rows are read, and changed one by one

Revision ID: 5e05
Revises: 5e04
Create Date: 2023-04-05 09:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "5e05"
down_revision = "5e04"

thing = sa.table("thing", sa.column("id", sa.Integer), sa.column("label", sa.Text))


def upgrade():
    bind = op.get_bind()
    for row in bind.execute(sa.select(thing.c.id, thing.c.label).order_by(thing.c.id)).fetchall():
        bind.execute(
            sa.update(thing).where(thing.c.id == row[0]).values(label=f"{row[0]}:{(row[1] or '')[:9]}")
        )


def downgrade():
    pass
