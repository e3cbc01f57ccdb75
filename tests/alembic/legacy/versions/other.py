"""another base, which needs the first

Revision ID: other
Revises: None
"""

import sqlalchemy as sa
from alembic import op

revision = "other"
down_revision = None
depends_on = "1"
branch_labels = ("side",)


def upgrade():
    op.create_table("other", sa.Column("customer_id", sa.Integer, sa.ForeignKey("customer.id")))


def downgrade():
    op.drop_table("other")
