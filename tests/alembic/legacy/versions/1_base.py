"""the first

Revision ID: 1
Revises: None
"""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade():
    op.create_table("customer", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.execute("INSERT INTO customer (name) VALUES ('100%')")


def downgrade():
    op.drop_table("customer")
