"""castoff's files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic_import.failure import Failure
from alembic_import.project import Revision, notes_of
from alembic_import.recorder import Recording
from alembic_import.sql import sets_session, split, terminated

KEYS = (
    "revision id", "revises", "create date", "transaction", "breaking", "lock timeout",
    "statement timeout", "accepts",
)  # fmt: skip
BOILERPLATE = re.compile(
    r"Copyright|SPDX-|PostgreSQL database dump|Dumped (from|by)|Your SQL goes here|Add (up|down) migration"
    r"|This file should undo|migrate:up|\+goose|\+migrate|no-transaction"
)


def edits(left: str, right: str) -> int:
    """The edits between two words, of which one may swap two neighbours."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left):
        row = [i + 1]
        for j, b in enumerate(right):
            row.append(min(above[j] + (a != b), above[j + 1] + 1, row[j] + 1))
            if i and j and a == right[j - 1] and left[i - 1] == b:
                row[-1] = min(row[-1], before[j - 1] + 1)
        before, above = above, row
    return above[-1]


def prose(line: str) -> str:
    """A comment line that castoff takes neither for a key, or a misspelt one, nor for a tool's mark."""
    key, colon, rest = line.partition(":")
    word = re.sub("[-_]", " ", key.strip().lower())
    if colon and any(edits(word, known) <= max(len(word) // 3, 1) for known in KEYS):
        line = f"{key} -{rest}"
    return "-- " + (f"({line})" if BOILERPLATE.match(line) else line) if line else "--"


def limits(recording: Recording) -> list[str]:
    """env.py's limits as keys of a header."""
    return [
        f"{name.replace('_', '-').title()}: "
        + (f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s")
        for name, milliseconds in sorted(recording.limits.items())
    ]


@dataclass
class File:
    """A castoff file: its header, and its statements as they are sent."""

    name: str
    header: list[str]
    statements: list[str]
    transaction: bool

    @property
    def text(self) -> str:
        body = "\n\n".join(self.statements)
        if body.lstrip().startswith("--"):
            # Otherwise the comment would be read as part of the header.
            body = "/* as in the revision: */\n" + body
        return "\n".join(self.header) + "\n" + (f"\n{body}\n" if body else "")

    def replayed(self) -> list[str]:
        """What castoff does with it, by statements."""
        if not self.transaction:
            return self.statements
        return ["BEGIN", *self.statements, "COMMIT"]


def file(revision: Revision, recording: Recording, ending: str) -> File:
    """The file of one direction."""
    slug = re.sub(r"[^a-z0-9]+", "_", revision.message.lower())[:40].strip("_")
    # The id in a file's name ends at the first `_`; Alembic takes no `-` in ids.
    name = revision.id.replace("_", "-") + (f"_{slug}" if slug else "") + ending
    statements, transaction = body(revision, recording)
    header = [prose(revision.message)] if revision.message else []
    header.append(f"-- Revision ID: {revision.id}")
    header.append(f"-- Revises: {', '.join(revision.revises) or 'none'}")
    header += [f"-- Create Date: {revision.created}"] if revision.created else []
    header += [] if transaction else ["-- Transaction: none"]
    header += [f"-- {limit}" for limit in limits(recording)]
    told = "\n\n".join(revision.paragraphs[1:]).strip().splitlines() if recording is revision.up else []
    notes = [f"-- To review: {note}" for note in notes_of(recording)]
    for block in ([prose(line) for line in told], notes):
        header += ["--", *block] if block else []
    return File(name, header, statements, transaction)


def body(revision: Revision, recording: Recording) -> tuple[list[str], bool]:
    """The statements in their transactions, and whether they are all in one."""
    is_base = not revision.revises and recording is revision.up
    before = [sql for sql in recording.environment if is_base or sets_session(sql)]
    texts = [terminated(sql) for sql in before]
    statements = recording.statements
    if len({s.transaction for s in statements}) <= 1 and all(s.transaction for s in statements):
        return texts + [terminated(s.sql) for s in statements], True
    at = 0
    while at < len(statements):
        end = at + 1
        while end < len(statements) and statements[at].transaction == statements[end].transaction is not None:
            end += 1
        group = [terminated(statement.sql) for statement in statements[at:end]]
        several = len(group) > 1 or len(split(group[0])) > 1
        texts += ["BEGIN;", *group, "COMMIT;"] if several else group
        at = end
    return texts, False


def files(revisions: Sequence[Revision]) -> list[File]:
    written = []
    for revision in revisions:
        written.append(file(revision, revision.up, ".up.sql"))
        if revision.down is not None:
            written.append(file(revision, revision.down, ".down.sql"))
    return written


def write(output: Path, written: Iterable[File]) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for one in written:
            (output / one.name).write_bytes(one.text.encode())
    except OSError as error:
        raise Failure(73, f"{error.filename}: {error.strerror}") from error
