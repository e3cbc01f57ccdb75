"""
Revision ID: 10
Revises: 9, other
"""

from alembic import op

revision = "10"
down_revision = ("9", "other")


def upgrade():
    connection = op.get_bind().connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM customer WHERE name = %s", ("100%",))
        (found,) = cursor.fetchone()
        cursor.executemany("INSERT INTO customer (name, mood) VALUES (%s, %s)", [("a", "bad"), ("b'", "good")])
        cursor.execute("INSERT INTO other (customer_id) VALUES (%s)", (found,))


def downgrade():
    op.execute("DELETE FROM other")
    op.execute("DELETE FROM customer WHERE id > 1")
