"""SQL, cut into tokens and statements as PostgreSQL cuts it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Token(NamedTuple):
    """A token that is neither white space nor a comment."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "word" else self.text


TOKEN = re.compile(
    r"""
      (?P<space> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<string> [eE]'(?:[^'\\]|\\.|'')*' | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*' )
    | (?P<name> (?:[uU]&)?"(?:[^"]|"")*" )
    | (?P<dollar> \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ )
    | (?P<parameter> \$\d+ )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<number> \d[\w.]* )
    | (?P<symbol> . )
    """,
    re.DOTALL | re.VERBOSE,
)


def tokens(sql: str) -> Iterator[Token]:
    at = 0
    while match := TOKEN.match(sql, at):
        at = match.end()
        if match.lastgroup == "comment" or match["comment"]:
            at = end_of_comment(sql, at)
        elif not match["space"]:
            kind = next(k for k in KINDS if match[k] is not None)
            yield Token(kind, match[kind], match.start(), at)


KINDS = ("string", "name", "dollar", "parameter", "word", "number", "symbol")


def end_of_comment(sql: str, at: int) -> int:
    """Where the comment whose `/*` was just read ends: they nest."""
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)


def split(sql: str) -> list[list[Token]]:
    """The tokens of each statement. One with BEGIN ATOMIC is taken to be the last."""
    statements: list[list[Token]] = [[]]
    depth = 0
    atomic = False
    for token in tokens(sql):
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "symbol" else 0
        last = statements[-1][-1].word if statements[-1] else ""
        atomic = atomic or (token.word == "ATOMIC" and last == "BEGIN")
        if token.text == ";" and depth <= 0 and not atomic:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


def controls_transaction(statement: Sequence[Token]) -> str:
    """The statement's first words if it begins or ends a transaction: COMMIT, ROLLBACK, BEGIN, or other."""
    words = [token.word for token in statement[:4]]
    if words[0] in ("BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT") and "TO" not in words:
        plain = "PREPARED" not in words and "CHAIN" not in words
        return {"END": "COMMIT", "ABORT": "ROLLBACK"}.get(words[0], words[0]) if plain else " ".join(words)
    if words[:2] == ["START", "TRANSACTION"]:
        return "BEGIN"
    return "PREPARE TRANSACTION" if words[:2] == ["PREPARE", "TRANSACTION"] else ""


def sets_limit(statement: Sequence[Token]) -> bool:
    """Whether it sets a limit that a castoff file has in its header."""
    words = [token.word for token in statement[:3]]
    names = words[2:3] if words[1:2] in (["SESSION"], ["LOCAL"]) else words[1:2]
    return words[0] == "SET" and names in (["LOCK_TIMEOUT"], ["STATEMENT_TIMEOUT"])


def sets_session(sql: str) -> bool:
    """Whether it changes the session alone, so that every file needs it."""
    words = [[token.word for token in statement] for statement in split(sql)]
    return all(w[0] in ("SET", "RESET") or (w[0] == "SELECT" and "SET_CONFIG" in w) for w in words)


def terminated(sql: str) -> str:
    """The text with one `;` behind its last token; a comment may follow."""
    sql = re.sub(r"\A(?:[ \t]*\n)+", "", sql).rstrip()
    end = 0
    for token in tokens(sql):
        end = end if token.text == ";" and token.kind == "symbol" else token.end
    behind = re.sub(r"^[\s;]+", lambda gap: gap[0].replace(";", ""), sql[end:])
    return (sql[:end] + ";" + behind).rstrip()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def excerpt(sql: str, length: int = 70) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= length else line[: length - 1] + "…"
