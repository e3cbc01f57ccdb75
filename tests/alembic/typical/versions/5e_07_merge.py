"""merge

Revision ID: 5e_07
Revises: 5e06a, 5e06b
Create Date: 2023-04-07 09:00:00

"""

revision = "5e_07"
down_revision = ("5e06a", "5e06b")


def upgrade():
    pass


def downgrade():
    pass
