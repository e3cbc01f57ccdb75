"""add an e-mail address

Revision ID: 5e02
Revises: 5e01
Create Date: 2023-04-02 09:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "5e02"
down_revision = "5e01"


def upgrade():
    op.add_column("customer", sa.Column("email", sa.Text(), server_default="", nullable=False))
    op.create_index(op.f("ix_customer_email"), "customer", [sa.text("lower(email)")], unique=False)
    op.create_check_constraint("email_has_an_at", "customer", "email = '' OR email LIKE '%@%'")


def downgrade():
    op.drop_constraint("email_has_an_at", "customer", type_="check")
    op.drop_index(op.f("ix_customer_email"), table_name="customer")
    op.drop_column("customer", "email")
