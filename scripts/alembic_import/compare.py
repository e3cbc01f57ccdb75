"""Whether the files make the schema that Alembic makes."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from itertools import islice

from alembic_import.failure import Failure, cause
from alembic_import.project import Project, Revision
from alembic_import.server import Server
from alembic_import.sql import excerpt, quoted


def compare(
    project: Project, server: Server, revisions: Sequence[Revision], by_alembic: str, by_files: str
) -> str:
    """Compares two databases by pg_dump; says what came of it."""
    table = revisions[-1].up.version_table
    try:
        wanted, made = (schema(server, database, table) for database in (by_alembic, by_files))
        if made != wanted:
            raise Failure(70, f"the files make another schema than Alembic:\n{difference(wanted, made)}")
        result = f"the files make the schema that Alembic makes ({len(made)} lines of pg_dump)"
        if all(after.revises == [before.id] for before, after in zip(revisions, revisions[1:])):
            return result
        return result + in_its_own_order(project, server, made, table)
    except NotComparable as reason:
        return f"the schemas were not compared: {reason}"


def in_its_own_order(project: Project, server: Server, made: Sequence[str], version_table: str) -> str:
    """Alembic may go through branches in another order than castoff, which the order of columns shows."""
    database = server.copy(server.scratch)
    try:
        project.upgrade_to_head(database)
    except (Exception, SystemExit) as error:
        return f"\n`alembic upgrade head` in one go does not reach it: {excerpt(cause(error), 200)}"
    at_once = schema(server, database, version_table)
    if made == at_once:
        return ""
    return f"\nbut Alembic itself goes through the branches in another order:\n{difference(at_once, made)}"


class NotComparable(Exception):
    """There is no pg_dump that could do it."""


def schema(server: Server, database: str, version_table: str) -> list[str]:
    """What pg_dump says of a database, without its comments."""
    program = shutil.which("pg_dump")
    if program is None:
        raise NotComparable("there is no pg_dump")
    place, secret = server.for_libpq(database)
    command = [program, "--schema-only", f"--exclude-table=*.{quoted(version_table)}", f"--dbname={place}"]
    dump = subprocess.run(command, env={**os.environ, **secret}, capture_output=True, text=True, check=False)
    if dump.returncode:
        raise NotComparable((dump.stderr.strip().splitlines() or ["pg_dump said nothing"])[0])
    return [line for line in dump.stdout.splitlines() if line and not re.match(r"\\(un)?restrict |--", line)]


def difference(wanted: Sequence[str], made: Sequence[str]) -> str:
    return "\n".join(islice(difflib.unified_diff(wanted, made, "Alembic", "files", lineterm="", n=2), 40))
