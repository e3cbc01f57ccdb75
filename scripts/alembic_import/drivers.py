"""How to hear what each driver sends, with the values in it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from sqlalchemy.engine import Connection
from sqlalchemy.util import await_only

from alembic_import.failure import Failure
from alembic_import.recorder import Recorder
from alembic_import.sql import literal, tokens

COPY = "copies rows by the driver (COPY), which leaves no statement to write down"
COPY_HINT = "insert them by statements, or import without this revision's rows and add them as SQL"


def heard_rowcount(owner: type, recorder: Recorder) -> property:
    """`rowcount` of a class, which tells the recorder when the project asks for it."""
    inherited = inspect.getattr_static(owner, "rowcount")

    def rowcount(self: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        if caller.partition(".")[0] not in ("sqlalchemy", "alembic"):
            recorder.read("how many rows a statement changed")
        known = vars(self)
        return known["rowcount"] if "rowcount" in known else inherited.__get__(self, type(self))

    return property(rowcount)


def psycopg2_cursor(recorder: Recorder) -> type:
    """A cursor that tells the recorder what psycopg2 sent, whoever uses it."""
    import psycopg2.extensions as driver

    class Asking:
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def rows(self, sql: str) -> list[tuple[Any, ...]]:
            with self.connection.cursor(cursor_factory=driver.cursor) as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())

        def in_transaction(self) -> bool:
            return bool(self.connection.info.transaction_status == driver.TRANSACTION_STATUS_INTRANS)

    class Cursor(driver.cursor):
        rowcount = heard_rowcount(driver.cursor, recorder)

        def execute(self, query: Any, vars: Any = None) -> None:
            try:
                super().execute(query, vars)
            except Exception as error:
                recorder.failed(error)
                raise
            if self.name is not None:
                # It has no plan to look at.
                recorder.read("a cursor")
            elif self.query is not None:
                self._ran(self.query)

        def executemany(self, query: Any, vars_list: Any) -> None:
            sent = [(values, self.mogrify(query, values)) for values in vars_list]
            try:
                super().executemany(query, [values for values, _ in sent])
            except Exception as error:
                recorder.failed(error)
                raise
            for _, text in sent:
                self._ran(text)

        def callproc(self, procname: Any, parameters: Any = None, /) -> Any:
            result = super().callproc(procname, *([] if parameters is None else [parameters]))
            if self.query is not None:
                self._ran(self.query)
            return result

        def _ran(self, text: bytes) -> None:
            encoding = driver.encodings[self.connection.encoding]
            recorder.ran(Asking(self.connection), text.decode(encoding), self.description is not None)

        def copy_expert(self, *_: Any, **__: Any) -> NoReturn:
            raise Failure(65, COPY, COPY_HINT)

        copy_from = copy_to = copy_expert

    return Cursor


def psycopg_cursor(recorder: Recorder) -> type:
    """The same for psycopg 3: its ClientCursor sends the values in the text."""
    import psycopg
    from psycopg.pq import TransactionStatus
    from psycopg.rows import tuple_row

    class Asking:
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def rows(self, sql: str) -> list[tuple[Any, ...]]:
            with psycopg.Cursor(self.connection, row_factory=tuple_row) as cursor:
                return cursor.execute(sql.encode()).fetchall()

        def in_transaction(self) -> bool:
            return bool(self.connection.info.transaction_status == TransactionStatus.INTRANS)

    class Cursor(psycopg.ClientCursor[Any]):
        rowcount = heard_rowcount(psycopg.ClientCursor, recorder)

        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            text = self.mogrify(query, params)
            try:
                super().execute(query, params, **options)
            except Exception as error:
                recorder.failed(error)
                raise
            recorder.ran(Asking(self.connection), text, self.description is not None)
            return self

        def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
            sent = [(params, self.mogrify(query, params)) for params in params_seq]
            try:
                super().executemany(query, [params for params, _ in sent], **options)
            except Exception as error:
                recorder.failed(error)
                raise
            for _, text in sent:
                recorder.ran(Asking(self.connection), text, self.description is not None)

        def copy(self, *_: Any, **__: Any) -> NoReturn:
            raise Failure(65, COPY, COPY_HINT)

    return Cursor


class AsyncSession:
    """An asynchronous driver's connection, asked from where SQLAlchemy runs synchronous code."""

    def __init__(self, connection: Connection) -> None:
        self.raw: Any = connection.connection.driver_connection
        self.is_asyncpg = connection.dialect.driver == "asyncpg"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await_only(self._fetch(sql))]

    async def _fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        if self.is_asyncpg:
            return list(await self.raw.fetch(sql))
        import psycopg
        from psycopg.rows import tuple_row

        async with psycopg.AsyncCursor(self.raw, row_factory=tuple_row) as cursor:
            await cursor.execute(sql.encode())
            return await cursor.fetchall()

    def in_transaction(self) -> bool:
        if self.is_asyncpg:
            return bool(self.raw.is_in_transaction())
        return bool(self.raw.info.transaction_status.name == "INTRANS")

    def rendered(self, cursor: Any, sql: str, parameters: Any) -> str:
        """The statement with its values in it."""
        if not self.is_asyncpg:
            import psycopg

            return psycopg.AsyncClientCursor(self.raw).mogrify(sql, parameters)
        if hasattr(cursor, "_parameter_placeholders"):
            # SQLAlchemy 1.4 numbers the parameters, with their types, only here.
            sql = sql % cursor._parameter_placeholders(parameters or ())
        return str(await_only(self._with_values(sql, list(parameters or ()))))

    async def _with_values(self, sql: str, values: list[Any]) -> str:
        """asyncpg sends values in binary; the server says what they are as text."""
        places = [token for token in tokens(sql) if token.kind == "parameter"]
        if not places:
            return sql
        kinds = (await self.raw.prepare(sql)).get_parameters()
        texts: list[str] = []
        for kind, value in zip(kinds, values):
            name = await self.raw.fetchval("SELECT pg_catalog.format_type($1, NULL)", kind.oid)
            text = await self.raw.fetchval(f"SELECT ($1::{name})::text", value)
            numeric = name in ("smallint", "integer") and text is not None and text.isdigit()
            texts.append("NULL" if text is None else text if numeric else literal(text) + f"::{name}")
        for place in reversed(places):
            text = texts[int(place.text[1:]) - 1]
            if sql.startswith("::", place.end) and "'::" in text:
                text = text[: text.rindex("'::") + 1]
            sql = sql[: place.start] + text + sql[place.end :]
        return sql
