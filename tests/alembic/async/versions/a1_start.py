"""start

Revision ID: 20240101
Revises:
Create Date: 2024-01-01 00:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "20240101"
down_revision = None


def upgrade():
    op.execute("CREATE TYPE customer_kind AS ENUM ('private', 'company')")
    op.create_table(
        "customer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "parent_id", sa.Integer(), sa.ForeignKey("customer.id", deferrable=True, initially="DEFERRED")
        ),
    )


def downgrade():
    op.drop_table("customer")
    op.execute("DROP TYPE customer_kind")
