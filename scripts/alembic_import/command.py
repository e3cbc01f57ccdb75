"""The command line, and what is said in the end."""

from __future__ import annotations

import argparse
import logging
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from alembic_import.compare import compare
from alembic_import.failure import Failure, Stopped, cause, say, secret_texts
from alembic_import.files import File, files, limits, write
from alembic_import.project import Project, Revision
from alembic_import.recorder import Recorder
from alembic_import.server import USER_OBJECTS, Server
from alembic_import.sql import excerpt, sets_session
from alembic_import.target import Target
from alembic_import.walk import record, replay


def report(revisions: Sequence[Revision], written: Sequence[File], output: Path) -> None:
    print(f"{len(revisions)} revisions, {len(written)} files in {output}")
    for revision in revisions:
        if revision.no_down:
            print(f"no down file: {revision}: {revision.no_down}")
    for revision in revisions:
        for note in revision.review():
            print(f"to review: {revision}: {note}")
    asking = [r.id for r in revisions if r.up.asks_catalogue or (r.down and r.down.asks_catalogue)]
    if asking:
        print(f"asked the catalogue what is there, and did what this history answers: {', '.join(asking)}")
    up = [revision.up for revision in revisions]
    for sql in dict.fromkeys(sql for recording in up for sql in recording.environment):
        place = "every file" if sets_session(sql) else "the files of revisions that follow none"
        print(f"env.py's own statement, now in {place}: {excerpt(sql)}")
    for sql in dict.fromkeys(sql for recording in up for sql in recording.afterwards):
        print(f"env.py's own statement after the migrations, in no file: {excerpt(sql)}")
    for limit in dict.fromkeys(limit for recording in up for limit in limits(recording)):
        print(f"env.py's own limit, now in every header: {limit}")
    if any(recording.takes_lock for recording in up):
        print("env.py's advisory lock is in no file: castoff takes its own")
    table = up[-1].version_table
    if table != "alembic_version":
        print(f"castoff adopts by a table alembic_version, this project has {table}: name the revision of")
        print("each existing database by CASTOFF_BASELINE at castoff's first start there")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="import-alembic",
        description="Turns an Alembic project into a castoff folder.",
        epilog="The scratch database must be empty; revisions run in copies of it. See the top of this file.",
    )
    parser.add_argument("--config", default="alembic.ini", help="alembic.ini, or pyproject.toml")
    parser.add_argument("--name", default="alembic", help="the section of the configuration")
    parser.add_argument("-x", action="append", metavar="ARG=VALUE", help="for env.py, as alembic takes it")
    parser.add_argument("--url", required=True, help="an empty PostgreSQL database; the role needs CREATEDB")
    parser.add_argument("--output", required=True, type=Path, help="the folder to write: new or empty")
    try:
        return parser.parse_args(arguments)
    except SystemExit as end:
        sys.exit(64 if end.code else 0)


def scratch(text: str) -> URL:
    try:
        url = make_url(re.sub(r"^postgres(?=://|\+)", "postgresql", text))
    except ArgumentError:
        raise Failure(64, "--url is not a URL such as postgresql://user@host:5432/scratch") from None
    if url.get_backend_name() != "postgresql" or not url.database:
        raise Failure(64, "--url names no PostgreSQL database, as in postgresql://user@host:5432/scratch")
    if url.password:
        secret_texts.update({str(url.password), quote(str(url.password), ""), quote_plus(str(url.password))})
    return url


def check_empty(server: Server) -> None:
    try:
        objects = [name for (name,) in server.rows(USER_OBJECTS)]
    except (DBAPIError, OSError) as error:
        raise Failure(69, f"{server.scratch} cannot be used: {cause(error)}") from error
    if objects:
        found = f"{server.scratch} is not empty: it has {', '.join(objects)}"
        raise Failure(69, found, "name a database made for this: createdb scratch")


def run(arguments: argparse.Namespace) -> None:
    server = Server(scratch(arguments.url))
    output: Path = arguments.output
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise Failure(73, f"{output} is there, and no empty folder", "name a new one")
    target = Target(server, Recorder())
    target.listen()
    check_empty(server)
    project = Project.open(arguments, target)
    revisions = project.revisions()
    try:
        by_alembic = record(project, server, revisions)
        written = files(revisions)
        write(output, written)
        by_files = replay(server, written)
        result = compare(project, server, revisions, by_alembic, by_files)
    finally:
        server.drop_copies()
    report(revisions, written, output)
    print(result)
    print(f"next: castoff lock --migrations-dir {output}")


def stop(*_: object) -> None:
    raise Stopped


def main(arguments: Sequence[str] | None = None) -> int:
    warnings.simplefilter("ignore")
    # env.py configures logging anew for each run; this holds whatever it says.
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGTERM, stop)
    try:
        run(parse(arguments))
    except Failure as failure:
        say(f"error: {failure}")
        if failure.hint:
            say(f"hint: {failure.hint}")
        return failure.code
    except KeyboardInterrupt:
        return 130
    except Stopped:
        return 143
    return 0
