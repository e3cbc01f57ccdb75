"""a branch: stock

Revision ID: 5e06a
Revises: 5e05
Create Date: 2023-04-06 09:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "5e06a"
down_revision = "5e05"


def upgrade():
    op.create_table("stock", sa.Column("thing_id", sa.Integer(), sa.ForeignKey("thing.id"), primary_key=True))
    op.execute("INSERT INTO stock SELECT id FROM thing")


def downgrade():
    op.drop_table("stock")
