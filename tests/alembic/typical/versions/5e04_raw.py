"""SQL as people write it

Revision ID: 5e04
Revises: 5e03
Create Date: 2023-04-04 09:00:00

"""

from alembic import op

revision = "5e04"
down_revision = "5e03"


def upgrade():
    op.execute(
        """-- Transaction: none
        -- Copyright: nobody's
        CREATE FUNCTION shout(word text) RETURNS text LANGUAGE plpgsql AS $body$
        BEGIN
            -- COMMIT; in a comment
            RETURN format('%s; %I', upper(word), 'a;b') || '10%';
        END
        $body$;
        """
    )
    op.execute("CREATE SEQUENCE counter /* no ; here */")
    op.execute("CREATE FUNCTION count_up() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''counter'')'; ")
    # These return rows, and have effects all the same.
    op.execute("SELECT setval('counter', 41) -- the next is 42")
    op.execute("SELECT count_up()")
    op.execute("WITH made AS (INSERT INTO thing (id) VALUES (7), (8) RETURNING id) SELECT * FROM made")
    op.execute("SELECT id, label INTO TEMP kept FROM thing; DROP TABLE kept;")
    # These only read.
    op.execute("SELECT shout FROM (SELECT 1 AS shout) AS nothing")
    op.execute("SHOW search_path")
    op.execute("SELECT pg_catalog.pg_table_size('thing'), version(), random()")
    op.execute(
        """
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.label := shout(NEW.label); RETURN NEW; END';
        CREATE TRIGGER note BEFORE UPDATE ON thing FOR EACH ROW WHEN (NEW.label <> '\\:x')
        EXECUTE FUNCTION note();
        UPDATE thing SET label = 'loud' WHERE id = 7
        -- the end
        """
    )
    op.execute("CREATE VIEW loud AS SELECT id, label FROM thing WHERE label LIKE 'LOUD%'")
    op.execute("SET LOCAL statement_timeout = '1min'")


def downgrade():
    op.execute("DROP VIEW loud")
    op.execute("DROP TRIGGER note ON thing; DROP FUNCTION note()")
    op.execute("DELETE FROM thing WHERE id IN (7, 8)")
    op.execute("DROP FUNCTION count_up()")
    op.execute("DROP SEQUENCE counter")
    op.execute("DROP FUNCTION shout(text)")
