"""keys that the database gives out, and chance

Revision ID: 5e10
Revises: 5e09
Create Date: 2023-04-10 09:00:00

"""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "5e10"
down_revision = "5e09"


def upgrade():
    bind = op.get_bind()
    made = bind.execute(sa.text("INSERT INTO customer (name, kind) VALUES ('x', 'company') RETURNING id"))
    op.execute(
        sa.text("INSERT INTO purchase (customer_id, price) VALUES (:customer, 1)").bindparams(
            customer=made.scalar()
        )
    )
    try:
        with bind.begin_nested():
            bind.execute(sa.text("INSERT INTO customer (name, kind) VALUES ('x', 'company')"))
    except sa.exc.IntegrityError:
        op.execute(
            sa.text("UPDATE customer SET email = :email WHERE name = 'x'").bindparams(email=f"{uuid.uuid4()}@x")
        )


def downgrade():
    op.execute("DELETE FROM customer WHERE name = 'x'")
