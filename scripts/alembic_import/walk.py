"""Runs the history, and then the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alembic_import.failure import cause, reported, say
from alembic_import.files import File
from alembic_import.project import Project, Revision
from alembic_import.server import MOVE_SEQUENCES_ON, Server
from alembic_import.sql import excerpt


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
