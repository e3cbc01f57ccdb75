"""what the catalogue says

Revision ID: 5e09
Revises: 5e08
Create Date: 2023-04-09 09:00:00

"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5e09"
down_revision = "5e08"

colour = postgresql.ENUM("red", "green", name="colour", create_type=False)


def upgrade():
    colour.create(op.get_bind(), checkfirst=True)
    if not sa.inspect(op.get_bind()).has_table("box"):
        op.create_table("box", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("colour", colour))
    # The last value of an enum, which an earlier revision added outside a transaction.
    op.execute("INSERT INTO customer (name, kind) VALUES ('the club', 'club')")


def downgrade():
    op.execute("DELETE FROM customer WHERE kind = 'club'")
    op.drop_table("box")
    colour.drop(op.get_bind(), checkfirst=True)
