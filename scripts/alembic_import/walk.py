"""Runs the history, and then the files."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence

from alembic_import.failure import Failure, cause, reported, say
from alembic_import.files import File
from alembic_import.project import Project, Revision
from alembic_import.server import MOVE_SEQUENCES_ON, Server
from alembic_import.sql import excerpt, quoted


def record(project: Project, server: Server, revisions: Sequence[Revision]) -> str:
    """Runs every revision, and gives the database that Alembic has brought to the head."""
    main = server.copy(server.scratch)
    for number, revision in enumerate(revisions, 1):
        say(f"[{number}/{len(revisions)}] {revision}")
        beside = server.copy(main)
        with reported(f"the upgrade of {revision} failed"):
            revision.up = project.run(revision, main, upgrade=True)
        try:
            server.rows(MOVE_SEQUENCES_ON, beside)
            again = project.run(revision, beside, upgrade=True)
            if again.texts != revision.up.texts:
                revision.up.review.append(
                    "a second run sent other statements (time, chance, or keys that the database gave out)"
                )
        except (Exception, SystemExit) as error:
            revision.up.review.append(f"a second run of it failed: {excerpt(cause(error))}")
            server.drop(beside)
            beside = server.copy(main)
        try:
            revision.down = project.run(revision, beside, upgrade=False)
        except (Exception, SystemExit) as error:
            revision.no_down = excerpt(cause(error))
        server.drop(beside)
    return main


def replay(server: Server, written: Iterable[File]) -> str:
    """Runs the up files as castoff does, and gives the database that they make."""
    database = server.copy(server.scratch)
    for one in written:
        if one.name.endswith(".up.sql"):
            with reported(f"{one.name} failed when it was run by itself"):
                server.run(one.replayed(), database)
    return database


def compare(server: Server, by_alembic: str, by_files: str, version_table: str) -> str:
    """Compares two databases by pg_dump; says what came of it."""
    program = shutil.which("pg_dump")
    if program is None:
        return "the schemas were not compared: there is no pg_dump"
    dumps = []
    for database in (by_alembic, by_files):
        place, secret = server.for_libpq(database)
        command = [program, "--schema-only", f"--exclude-table=*.{quoted(version_table)}", f"--dbname={place}"]
        dump = subprocess.run(
            command, env={**os.environ, **secret}, capture_output=True, text=True, check=False
        )
        if dump.returncode:
            said = dump.stderr.strip().splitlines() or ["it said nothing"]
            return f"the schemas were not compared: {said[0]}"
        lines = (line for line in dump.stdout.splitlines() if not re.match(r"\\(un)?restrict |--", line))
        dumps.append([line for line in lines if line.strip()])
    difference = list(difflib.unified_diff(dumps[0], dumps[1], "Alembic", "files", lineterm="", n=2))
    if difference:
        shown = "\n".join(difference[:40])
        raise Failure(70, f"the files make another schema than Alembic:\n{shown}")
    return f"the files make the schema that Alembic makes ({len(dumps[0])} lines of pg_dump)"
