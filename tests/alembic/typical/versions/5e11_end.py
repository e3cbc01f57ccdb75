"""the end

Revision ID: 5e11
Revises: 5e10
Create Date: 2023-04-11 09:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "5e11"
down_revision = "5e10"


def upgrade():
    op.alter_column("thing", "good", new_column_name="fine", existing_type=sa.Boolean())
    op.alter_column(
        "thing",
        "ratio",
        type_=sa.Numeric(20, 17),
        existing_type=sa.Float(),
        postgresql_using="ratio::numeric",
    )
    op.rename_table("box", "crate")
    op.drop_column("customer", "settings")
    # In batches, which end when there is nothing left.
    batch = "UPDATE thing SET words = '{}' WHERE id IN (SELECT id FROM thing WHERE words IS NULL LIMIT 1)"
    while op.get_bind().execute(sa.text(batch)).rowcount:
        pass
    for (label,) in op.get_bind().execute(sa.text("UPDATE thing SET big = 4 WHERE id = -2 RETURNING label")):
        op.execute(sa.text("INSERT INTO thing (id, label) VALUES (4, :label)").bindparams(label=label))


def downgrade():
    op.execute("DELETE FROM thing WHERE id = 4")
    op.add_column("customer", sa.Column("settings", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))
    op.rename_table("crate", "box")
    op.alter_column("thing", "ratio", type_=sa.Float(), existing_type=sa.Numeric(20, 17))
    op.alter_column("thing", "fine", new_column_name="good", existing_type=sa.Boolean())
