"""What reached the server: the statements that had an effect."""

from __future__ import annotations

import contextlib
import enum
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from alembic_import.failure import Failure, cause
from alembic_import.sql import Token, controls_transaction, excerpt, literal, sets_limit, split


class Phase(enum.Enum):
    """Whose statements are running."""

    OUTSIDE = enum.auto()
    ENVIRONMENT = enum.auto()
    ALEMBIC = enum.auto()
    REVISION = enum.auto()
    AFTERWARDS = enum.auto()


@dataclass(frozen=True)
class Statement:
    """A statement that had an effect, and the transaction it ran in, if any."""

    sql: str
    transaction: str | None


@dataclass
class Recording:
    """One run of one direction of a revision."""

    environment: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    afterwards: list[str] = field(default_factory=list)
    # What env.py says about lock_timeout and statement_timeout, in milliseconds.
    limits: dict[str, int] = field(default_factory=dict)
    takes_lock: bool = False
    reads: set[str] = field(default_factory=set)
    asks_catalogue: bool = False
    review: list[str] = field(default_factory=list)
    # What the server calls the transactions that wrote.
    transaction_ids: dict[str, str] = field(default_factory=dict)
    version_table: str = ""

    def take_settings(self, settings: dict[str, str]) -> None:
        path = settings.pop("search_path", None)
        # Set when it connects, which no statement shows.
        self.environment += [] if path is None else [f"SET search_path TO {path}"]
        self.limits = {name: int(value) for name, value in settings.items()}

    def leave_out(self, transaction_ids: set[str]) -> None:
        """Forgets what transactions did that were rolled back."""
        undone = {t for t, id_ in self.transaction_ids.items() if id_ in transaction_ids}
        if any(statement.transaction in undone for statement in self.statements):
            self.statements = [s for s in self.statements if s.transaction not in undone]
            self.review.append("it rolls a transaction back; what was undone is left out")

    @property
    def texts(self) -> list[str]:
        return self.environment + [statement.sql for statement in self.statements]


class Session(Protocol):
    """The connection that a statement ran on, to ask more on it."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]: ...

    def in_transaction(self) -> bool: ...


HARMLESS = """'random', 'random_normal', 'clock_timestamp', 'timeofday', 'gen_random_uuid', 'uuidv4', 'uuidv7',
'currval', 'lastval', 'pg_sequence_last_value', 'pg_is_in_recovery', 'pg_relation_size',
'pg_total_relation_size', 'pg_table_size', 'pg_indexes_size', 'pg_database_size'"""
CALL = re.compile(r'("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*\(')


class Recorder:
    """Keeps the statements that have an effect, of whoever's phase it is."""

    def __init__(self) -> None:
        self.phase = Phase.OUTSIDE
        self.recording = Recording()

    @contextlib.contextmanager
    def during(self, phase: Phase, then: Phase) -> Iterator[None]:
        self.phase = phase
        try:
            yield
        finally:
            self.phase = then

    def is_listening(self) -> bool:
        return self.phase in (Phase.ENVIRONMENT, Phase.REVISION, Phase.AFTERWARDS)

    def ran(self, session: Session, sql: str, returned_rows: bool) -> None:
        """Takes down a statement that the server has run, with its values in it."""
        parts = split(sql)
        if not self.is_listening() or not parts or self._is_control(parts):
            return
        if len(parts) == 1 and returned_rows:
            if self._is_read(session, sql, parts[0]):
                return
            if changed := changes_rows(parts[0]):
                self.read(f"the rows that {changed} returned")
        if self.phase is Phase.ENVIRONMENT:
            # The limits are asked for when the revision begins.
            if not all(map(sets_limit, parts)):
                self.recording.environment.append(sql)
        elif self.phase is Phase.AFTERWARDS:
            self.recording.afterwards.append(sql)
        else:
            self.recording.statements.append(Statement(sql, self._transaction(session)))

    def _transaction(self, session: Session) -> str | None:
        """The running transaction, if any: no two of a session begin in the same microsecond."""
        if not session.in_transaction():
            return None
        begun, id_ = session.rows(
            "SELECT pg_catalog.transaction_timestamp()::text, pg_catalog.pg_current_xact_id_if_assigned()::text"
        )[0]
        if id_ is not None:
            self.recording.transaction_ids[begun] = id_
        return str(begun)

    def failed(self, error: BaseException) -> None:
        if self.phase is Phase.REVISION:
            self.review(f"it goes on after an error: {excerpt(cause(error), 110)}")

    def read(self, what: str) -> None:
        """Notes what the project read besides rows of relations."""
        if self.phase is Phase.REVISION:
            self.recording.reads.add(what)

    def review(self, note: str) -> None:
        if note not in self.recording.review:
            self.recording.review.append(note)

    def _is_control(self, parts: Sequence[Sequence[Token]]) -> bool:
        """Takes BEGIN and COMMIT out: which statements share a transaction is seen at the server."""
        controls = [control for control in map(controls_transaction, parts) if control]
        if not controls or self.phase is not Phase.REVISION:
            return bool(controls)
        if len(parts) > 1 or controls[0] not in ("BEGIN", "COMMIT", "ROLLBACK"):
            found = f"runs {controls[0]} in a way that a file cannot repeat"
            raise Failure(65, found, "run the statements on both sides of it in revisions of their own")
        self.review(f"it runs {controls[0]} itself; the file keeps the same transactions")
        return True

    def _is_read(self, session: Session, sql: str, tokens: Sequence[Token]) -> bool:
        """Whether a statement that returned rows did nothing else; notes what it read."""
        if tokens[0].word == "SHOW":
            return True
        if next((t.word for t in tokens if t.text != "("), "") not in ("SELECT", "WITH", "VALUES", "TABLE"):
            return False
        explained = session.rows("EXPLAIN (VERBOSE, FORMAT JSON) " + sql)[0][0]
        plan = json.loads(explained) if isinstance(explained, str) else explained
        nodes, texts = list(plan_nodes(plan)), list(plan_texts(plan))
        if any(node.get("Node Type") == "ModifyTable" for node in nodes):
            return False
        called = {name.strip('"').replace('""', '"') for text in texts for name in CALL.findall(text)}
        functions = session.rows(
            "SELECT n.nspname, p.proname, pg_catalog.bool_or(p.provolatile = 'v' AND NOT ("
            f"n.nspname = 'pg_catalog' AND p.proname IN ({HARMLESS}))) FROM pg_catalog.pg_proc p "
            "JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.proname IN "
            f"({', '.join(map(literal, sorted(called | {''})))}) GROUP BY 1, 2"
        )
        effects = {name for _, name, is_volatile in functions if is_volatile}
        if self.phase is not Phase.REVISION:
            locks = {name for name in effects if name.startswith(("pg_advisory_", "pg_try_advisory_"))}
            self.recording.takes_lock |= bool(locks)
            return effects == locks
        if effects:
            return False
        relations = {(n.get("Schema", ""), n["Relation Name"]) for n in nodes if "Relation Name" in n}
        relations |= {(schema, name + "()") for schema, name, _ in functions}
        system = ("pg_catalog", "information_schema")
        self.recording.reads |= {name for schema, name in relations if schema not in system}
        named = any(schema in system and "(" not in name for schema, name in relations)
        self.recording.asks_catalogue |= named
        return True


def changes_rows(tokens: Sequence[Token]) -> str:
    """The command, if it takes rows that are there: VALUES return only what was given."""
    words = [token.word for token in tokens]
    command = next((word for word in words if word in ("INSERT", "UPDATE", "DELETE", "MERGE")), "")
    return "" if command == "INSERT" and "VALUES" in words else command


def plan_nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan
        plan = list(plan.values())
    for part in plan if isinstance(plan, list) else []:
        yield from plan_nodes(part)


def plan_texts(plan: Any) -> Iterator[str]:
    if isinstance(plan, str):
        yield plan
    elif isinstance(plan, (dict, list)):
        for part in plan.values() if isinstance(plan, dict) else plan:
            yield from plan_texts(part)
