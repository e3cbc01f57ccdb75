"""The server of the scratch database, and the copies that are made there."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from alembic_import.failure import Failure, cause, say
from alembic_import.sql import literal, quoted

USER_OBJECTS = """
SELECT found.kind || ' ' || n.nspname || '.' || found.name FROM (
  SELECT 'pg_class'::regclass AS class, oid, relnamespace AS schema, relname AS name,
    CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
      WHEN 'f' THEN 'foreign table' ELSE 'table' END AS kind
  FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typname, 'type' FROM pg_catalog.pg_type t
  WHERE t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND EXISTS (
    SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')
  UNION ALL
  SELECT 'pg_proc'::regclass, oid, pronamespace, proname, 'function' FROM pg_catalog.pg_proc
) AS found JOIN pg_catalog.pg_namespace n ON n.oid = found.schema
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
  SELECT 1 FROM pg_catalog.pg_depend d
  WHERE d.classid = found.class AND d.objid = found.oid AND d.deptype = 'e')
ORDER BY 1 LIMIT 5
"""

MOVE_SEQUENCES_ON = """
DO $move$
DECLARE s record;
BEGIN
  FOR s IN SELECT * FROM pg_catalog.pg_sequences WHERE increment_by > 0 LOOP
    PERFORM pg_catalog.setval(
      (quote_ident(s.schemaname) || '.' || quote_ident(s.sequencename))::regclass,
      least(coalesce(s.last_value, s.start_value) + 1000, s.max_value));
  END LOOP;
END
$move$
"""

DRIVERS = ("psycopg2", "psycopg", "asyncpg")


def is_async(url: URL) -> bool:
    return url.get_driver_name() == "asyncpg"


def for_driver(url: URL, driver: str, database: str) -> URL:
    """The URL of a database, with libpq's spelling of sslmode put as asyncpg wants it."""
    url = url.set(drivername=f"postgresql+{driver}", database=database)
    if driver == "asyncpg" and "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    return url


class Server:
    """The server of the scratch database, and the copies that were made there."""

    def __init__(self, url: URL) -> None:
        driver = url.drivername.partition("+")[2] or next((d for d in DRIVERS if find_spec(d)), "")
        if driver not in DRIVERS:
            found = f"the driver {driver}" if driver else "no driver"
            raise Failure(78, f"{found} is there; known are {', '.join(DRIVERS)}")
        self.url = url
        self.driver = driver
        self.copies: set[str] = set()
        self.engines: dict[str, Any] = {}

    @property
    def scratch(self) -> str:
        return str(self.url.database)

    def engine(self, database: str) -> Any:
        if database not in self.engines:
            url = for_driver(self.url, self.driver, database)
            options: dict[str, Any] = {"poolclass": NullPool, "isolation_level": "AUTOCOMMIT"}
            if is_async(url):
                from sqlalchemy.ext.asyncio import create_async_engine

                self.engines[database] = create_async_engine(url, **options)
            else:
                self.engines[database] = sqlalchemy.create_engine(url, **options)
        return self.engines[database]

    def owns(self, dialect: object) -> bool:
        """Whether a connection of this dialect is one of our own."""
        return any(engine.dialect is dialect for engine in self.engines.values())

    def rows(self, sql: str, database: str = "") -> list[tuple[Any, ...]]:
        """Runs a statement of ours."""
        engine = self.engine(database or self.scratch)

        def read(result: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in result] if result.returns_rows else []

        async def ask() -> list[tuple[Any, ...]]:
            async with engine.connect() as connection:
                return read(await connection.exec_driver_sql(sql))

        if is_async(engine.url):
            return asyncio.run(ask())
        with engine.connect() as connection:
            return read(connection.exec_driver_sql(sql))

    def run(self, statements: Iterable[str], database: str) -> None:
        """Sends statements as they are, in one session and without a transaction of its own."""
        engine = self.engine(database)

        async def send() -> None:
            async with engine.connect() as connection:
                raw = (await connection.get_raw_connection()).driver_connection
                for statement in statements:
                    await raw.execute(statement)

        if is_async(engine.url):
            asyncio.run(send())
            return
        connection = engine.raw_connection()
        try:
            with contextlib.closing(connection.cursor()) as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def for_libpq(self, database: str) -> tuple[str, dict[str, str]]:
        """How a program of PostgreSQL finds a database, and in its environment the password."""
        url = self.url
        places = {"host": url.host, "port": url.port, "user": url.username, "dbname": database, **url.query}
        escaped = {key: re.sub(r"([\\'])", r"\\\1", str(value)) for key, value in places.items() if value}
        secret = {"PGPASSWORD": str(url.password)} if url.password is not None else {}
        return " ".join(f"{key}='{value}'" for key, value in escaped.items()), secret

    def copy(self, database: str) -> str:
        """Copies a database, ending what a run may have left connected to it."""
        name = "castoff_import_" + secrets.token_hex(4)
        self._end_sessions(database)
        self.copies.add(name)
        try:
            self.rows(f'CREATE DATABASE "{name}" TEMPLATE {quoted(database)}')
        except DBAPIError as error:
            hint = "the role needs CREATEDB, and nobody else may be connected to the scratch database"
            raise Failure(69, f"{database} cannot be copied: {cause(error)}", hint) from error
        return name

    def _end_sessions(self, database: str) -> None:
        if database in self.copies:
            self.rows(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
                f"WHERE datname = {literal(database)} AND pid <> pg_catalog.pg_backend_pid()"
            )

    def rolled_back(self, transaction_ids: Iterable[str], database: str) -> set[str]:
        """Those of the transactions that did not commit, once whatever is still connected is ended."""
        ids = ", ".join(f"('{id_}')" for id_ in transaction_ids)
        if not ids:
            return set()
        self._end_sessions(database)
        sql = f"SELECT id, pg_catalog.pg_xact_status(id::xid8) FROM (VALUES {ids}) AS ended (id)"
        while "in progress" in (status := dict(self.rows(sql))).values():
            time.sleep(0.02)
        return {id_ for id_, ended in status.items() if ended == "aborted"}

    def drop(self, copy: str) -> None:
        self.rows(f'DROP DATABASE IF EXISTS "{copy}" WITH (FORCE)')
        self.copies.discard(copy)
        self.engines.pop(copy, None)

    def drop_copies(self) -> None:
        for copy in list(self.copies):
            try:
                self.drop(copy)
            except Exception as error:
                say(f"warning: the database {copy} could not be dropped: {cause(error)}")
