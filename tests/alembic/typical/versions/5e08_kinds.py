"""one more kind

Revision ID: 5e08
Revises: 5e_07
Create Date: 2023-04-08 09:00:00

"""

from alembic import op

revision = "5e08"
down_revision = "5e_07"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE customer_kind ADD VALUE IF NOT EXISTS 'club'")


def downgrade():
    # PostgreSQL takes no value away.
    pass
