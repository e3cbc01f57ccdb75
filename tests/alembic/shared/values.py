"""The same revision in two projects: values of every type."""

import datetime
import decimal
import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def upgrade():
    thing = op.create_table(
        "thing",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("label", sa.Text()),
        sa.Column("day", sa.Date()),
        sa.Column("moment", sa.DateTime(timezone=True)),
        sa.Column("price", sa.Numeric(12, 4)),
        sa.Column("ratio", sa.Float()),
        sa.Column("big", sa.BigInteger()),
        sa.Column("good", sa.Boolean()),
        sa.Column("bytes", sa.LargeBinary()),
        sa.Column("key", postgresql.UUID(as_uuid=True)),
        sa.Column("more", postgresql.JSONB()),
        sa.Column("words", postgresql.ARRAY(sa.Text())),
        sa.Column("numbers", postgresql.ARRAY(sa.Integer())),
        sa.Column("wait", sa.Interval()),
        sa.Column("kind", postgresql.ENUM("private", "company", name="customer_kind", create_type=False)),
    )
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    op.bulk_insert(
        thing,
        [
            {
                "id": 1,
                "label": 'it\'s 100% \\ "quoted" :name %(name)s $1 $$ é 🐘 ; -- x /* y\nline',
                "day": datetime.date(2024, 2, 29),
                "moment": datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=east),
                "price": decimal.Decimal("-12345678.9001"),
                "ratio": 0.1 + 0.2,
                "big": -(2**62),
                "good": True,
                "bytes": b"\x00\\'\xff",
                "key": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
                "more": {"a": ["it's", None, 1.5, "50%", "\\", "$1"]},
                "words": ["a,b", 'c"d', "e'f\\", None],
                "numbers": [1, -2, None],
                "wait": datetime.timedelta(days=400, seconds=-1, microseconds=7),
                "kind": "company",
            },
            dict.fromkeys((column.name for column in thing.columns), None) | {"id": -2},
        ],
    )
    # Several statements of one, and one statement that has its own parameters.
    op.get_bind().execute(
        sa.update(thing).where(thing.c.id == sa.bindparam("which")).values(label=sa.bindparam("new")),
        [{"which": -2, "new": "minus'two"}, {"which": 3, "new": "nobody"}],
    )
    op.execute(
        sa.text("UPDATE thing SET label = label || :more || ' \\:kept' WHERE id = :id").bindparams(
            more="%s", id=-2
        )
    )


def downgrade():
    op.drop_table("thing")
