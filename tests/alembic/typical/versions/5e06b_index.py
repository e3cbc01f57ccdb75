"""a branch: an index beside a running application

Revision ID: 5e06b
Revises: 5e05
Create Date: 2023-04-06 09:00:01

"""

import sqlalchemy as sa
from alembic import op

revision = "5e06b"
down_revision = "5e05"


def upgrade():
    op.add_column("customer", sa.Column("country", sa.String(2)))
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("ALTER TABLE customer ALTER country SET DEFAULT 'DE'")
    with op.get_context().autocommit_block():
        op.create_index("customer_country_idx", "customer", ["country"], postgresql_concurrently=True)
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY customer_upper_idx ON customer (upper(name))")
    op.execute("COMMENT ON COLUMN customer.country IS 'ISO 3166-1; two letters'")


def downgrade():
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY customer_upper_idx")
        op.drop_index("customer_country_idx", table_name="customer", postgresql_concurrently=True)
    op.drop_column("customer", "country")
