"""a value of an enum, as it was added before autocommit_block

Revision ID: 9
Revises: 1
"""

from alembic import op

revision = "9"
down_revision = "1"


def upgrade():
    op.execute("CREATE TYPE mood AS ENUM ('good')")
    op.execute("ALTER TABLE customer ADD COLUMN mood mood")
    op.execute("COMMIT")
    op.execute("ALTER TYPE mood ADD VALUE 'bad'")


def downgrade():
    op.execute("ALTER TABLE customer DROP COLUMN mood; DROP TYPE mood")
