"""rows, an index and a function

Revision ID: 20240103
Revises: 20240102
Create Date: 2024-01-03 00:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "20240103"
down_revision = "20240102"

customer = sa.table("customer", sa.column("id", sa.Integer), sa.column("name", sa.Text))


def upgrade():
    bind = op.get_bind()
    bind.execute(sa.insert(customer), [{"name": "a"}, {"name": "it's b"}, {"name": "$1 :x %s"}])
    for row in bind.execute(sa.select(customer.c.id, customer.c.name).order_by(customer.c.id)).fetchall():
        bind.execute(
            sa.update(customer)
            .where(customer.c.id == row[0], customer.c.name != "$1")
            .values(name=row[1] + "!")
        )
    if bind.execute(sa.text("UPDATE customer SET parent_id = NULL")).rowcount != 3:
        raise RuntimeError("there must be three")
    op.execute("SELECT setval('customer_id_seq', 100)")
    with bind.begin_nested():
        op.execute("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $one$ SELECT 1; $one$")
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY customer_name_idx ON customer (name)")


def downgrade():
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY customer_name_idx")
    op.execute("DROP FUNCTION one()")
    op.execute("DELETE FROM customer")
