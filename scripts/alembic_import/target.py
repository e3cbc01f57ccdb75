"""Leads whatever connection the project makes to the scratch server."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, CursorResult, Engine
from sqlalchemy.pool import Pool

from alembic_import.drivers import AsyncSession, heard_rowcount, psycopg2_cursor, psycopg_cursor
from alembic_import.failure import Failure
from alembic_import.recorder import Recorder
from alembic_import.server import DRIVERS, Server, for_driver


@dataclass
class Target:
    """Sends every connection that SQLAlchemy makes to one database, and listens there."""

    server: Server
    recorder: Recorder
    database: str = ""
    records: list[Any] = field(default_factory=list)

    # What a driver calls the server, the database and the role: ours are given instead.
    LOCATION = frozenset(
        (
            *("host", "hostaddr", "port", "user", "password", "passfile", "dbname", "database"),
            *("dsn", "service", "conninfo", "ssl", "sslmode"),
        )
    )

    def listen(self) -> None:
        event.listen(Engine, "do_connect", self.connect)
        CursorResult.rowcount = heard_rowcount(CursorResult, self.recorder)  # type: ignore[assignment]
        event.listen(Pool, "connect", self.connected)
        event.listen(Engine, "after_cursor_execute", self.after)
        event.listen(Engine, "handle_error", self.error)

    def connect(self, dialect: Any, record: Any, args: Any, parameters: dict[str, Any]) -> Any:
        if record is not None:
            record.info["castoff"] = self.database
        if self.server.owns(dialect):
            return None
        if dialect.name != "postgresql" or dialect.driver.replace("_async", "") not in DRIVERS:
            found = f"the project connects by {dialect.name}+{dialect.driver}"
            raise Failure(65, found, f"let env.py connect to PostgreSQL by {', '.join(DRIVERS)}")
        driver = dialect.driver.replace("_async", "")
        args, place = dialect.create_connect_args(for_driver(self.server.url, driver, self.database))
        options = {k: v for k, v in parameters.items() if k not in self.LOCATION} | place
        if driver == "psycopg2":
            options["cursor_factory"] = psycopg2_cursor(self.recorder)
        elif driver == "psycopg" and not dialect.is_async:
            options["cursor_factory"] = psycopg_cursor(self.recorder)
        elif driver == "psycopg":
            import psycopg

            options["cursor_factory"] = psycopg.AsyncClientCursor
        # A cursor of the server's would hide what it reads.
        dialect.supports_server_side_cursors = False
        return dialect.connect(*args, **options)

    def connected(self, connection: Any, record: Any) -> None:
        if record.info.get("castoff") != self.database:
            found = "the project makes a connection that cannot be led to the scratch database"
            raise Failure(65, found, "let its engine have no `creator` and no connection pool of its own")
        self.records.append(record)

    def disconnect(self) -> None:
        """Closes what stayed in pools: the next run has another database."""
        for record in self.records:
            # An asynchronous connection's event loop is gone; the server ends that one.
            with contextlib.suppress(Exception):
                record.invalidate()
        self.records.clear()

    def after(
        self, connection: Connection, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> None:
        """Asynchronous drivers are heard here; the others by their cursors, whoever uses them."""
        if connection.dialect.is_async and self.recorder.is_listening():
            session = AsyncSession(connection)
            for values in parameters if many else [parameters]:
                text = session.rendered(cursor, sql, values)
                self.recorder.ran(session, text, cursor.description is not None)

    def error(self, context: Any) -> None:
        if context.connection is not None and context.connection.dialect.is_async:
            self.recorder.failed(context.original_exception)
