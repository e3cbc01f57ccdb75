"""What goes wrong, told without a traceback and without a password."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from alembic_import.sql import excerpt


class Failure(Exception):
    """Ends the program: what was found, what to do about it, and the exit code."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class Stopped(BaseException):
    """SIGTERM came."""


secret_texts: set[str] = set()


def hidden(text: str) -> str:
    for secret in secret_texts:
        text = text.replace(secret, "***")
    return text


def say(text: str) -> None:
    print(hidden(text), file=sys.stderr, flush=True)


def cause(error: BaseException) -> str:
    """What went wrong, in the words of whoever noticed it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return str(error.orig).strip()
    if isinstance(error, (Failure, CommandError)):
        return str(error)
    said = str(error).split("\n(Background on this error")[0]
    return f"{type(error).__name__}: {said}".strip(": ")


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Makes of any error of the project's a message that says where in the project it came from."""
    try:
        yield
    except Failure as failure:
        raise Failure(failure.code, f"{what}: {failure}", failure.hint) from failure
    except (Exception, SystemExit) as error:
        here = (str(Path(__file__).parent), sqlalchemy.__path__[0], str(Path(inspect.getfile(Config)).parent))
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
        frames = [f for f in frames if not f.filename.startswith((*here, "<", str(Path(os.__file__).parent)))]
        place = f"\n  at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        sql = f"\n  in {excerpt(error.statement)}" if isinstance(error, DBAPIError) and error.statement else ""
        hint = "`alembic upgrade head` must work here; any database that env.py names becomes the scratch one"
        raise Failure(65, f"{what}: {cause(error)}{place}{sql}", hint) from error
