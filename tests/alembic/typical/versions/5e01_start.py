"""shop: customers & orders

It begins with a table.
Transactions: this looks like a key.
Copyright: so does this, or like a licence.

Revision ID: 5e01
Revises:
Create Date: 2023-04-01 09:00:00.123456

"""

import sqlalchemy as sa
from alembic import op

revision = "5e01"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "customer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.Enum("private", "company", name="customer_kind"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("settings", sa.JSON(), server_default=sa.text('\'{"a": "50%"}\'::json'), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        comment="who buys: 100%",
    )
    op.create_table(
        "purchase",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("total", sa.Numeric(10, 2), sa.Computed("price * pieces"), nullable=True),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("pieces", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("pieces > 0", name="some_pieces"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("purchase_big_idx", "purchase", ["customer_id"], postgresql_where=sa.text("price > 1000"))


def downgrade():
    raise NotImplementedError("there is nothing before it")
