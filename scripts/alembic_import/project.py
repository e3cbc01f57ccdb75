"""The Alembic project, run one revision at a time."""

from __future__ import annotations

import argparse
import contextlib
import heapq
import inspect
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from alembic_import.failure import Failure, reported
from alembic_import.recorder import Phase, Recording
from alembic_import.server import Server
from alembic_import.target import Target


@dataclass
class Project:
    """The Alembic project, run one step at a time."""

    config: Config
    scripts: ScriptDirectory
    target: Target

    @classmethod
    def open(cls, arguments: argparse.Namespace, target: Target) -> Project:
        path = Path(arguments.config)
        if not path.is_file():
            raise Failure(64, f"there is no {path}", "run it in the project's folder, or name --config")
        given: dict[str, Any] = {"file_": str(path)}
        if "toml_file" in inspect.signature(Config).parameters:
            ini, toml = path.with_name("alembic.ini"), path.with_name("pyproject.toml")
            ini, toml = (ini, path) if path.suffix == ".toml" else (path, toml)
            given = {"file_": str(ini) if ini.is_file() else None, "toml_file": str(toml)}
        options = argparse.Namespace(**vars(arguments), cmd=(command.upgrade, ["revision"], ["sql", "tag"]))
        config = Config(**given, ini_section=arguments.name, cmd_opts=options)
        with reported("the project cannot be read"):
            config.set_main_option("sqlalchemy.url", cls._url(config, target.server).replace("%", "%%"))
            return cls(config, ScriptDirectory.from_config(config), target)

    @staticmethod
    def _url(config: Config, server: Server) -> str:
        """The scratch database by the driver that --url or else the project names.

        It has no password: whatever env.py makes of it, the connection is led to a copy.
        """
        driver = server.url.drivername
        with contextlib.suppress(ArgumentError, NoSuchModuleError, CommandError):
            own = make_url(config.get_main_option("sqlalchemy.url") or "")
            if "+" not in driver and own.get_backend_name() == "postgresql":
                own.get_dialect()
                driver = own.drivername
        place = server.url
        return str(URL.create(driver, place.username, None, place.host, place.port, place.database))

    def revisions(self) -> list[Revision]:
        """All revisions in castoff's order: parents first, then the smallest id."""
        with reported("the revisions cannot be read"):
            heads = self.scripts.get_heads()
            revisions = {script.revision: self._revision(script) for script in self.scripts.walk_revisions()}
        if not revisions:
            hint = "version_locations that env.py chooses must be in the configuration that --config names"
            raise Failure(65, f"{self.scripts.dir} has no revisions", hint)
        if len(heads) > 1:
            hint = "run `alembic merge heads` first: castoff, like `alembic upgrade head`, needs one"
            raise Failure(65, f"there are several heads: {', '.join(sorted(heads))}", hint)
        for revision in revisions:
            if not re.fullmatch(r"(?!-)[A-Za-z0-9._-]{1,255}", revision) or revision in ("head", "base"):
                raise Failure(65, f"castoff takes no revision id like {revision!r}", "rename the revision")
        waiting = {name: set(revision.revises) for name, revision in revisions.items()}
        ready = [natural(name) for name, parents in waiting.items() if not parents]
        heapq.heapify(ready)
        ordered = []
        while ready:
            *_, name = heapq.heappop(ready)
            ordered.append(revisions[name])
            for child, parents in waiting.items():
                if name in parents:
                    parents.remove(name)
                    if not parents:
                        heapq.heappush(ready, natural(child))
        return ordered

    def _revision(self, script: Script) -> Revision:
        named = [*as_names(script.down_revision), *as_names(script.dependencies)]
        parents = (self.scripts.get_revision(name) for name in named)
        revises = dict.fromkeys(parent.revision for parent in parents if parent)
        return Revision(script, list(revises))

    def run(self, revision: Revision, database: str, *, upgrade: bool) -> Recording:
        """Runs one direction of a revision on a database that is where it must be."""
        recorder = self.target.recorder
        recorder.recording = Recording()
        self.target.database = database
        times = 0

        def steps(heads: Any, context: MigrationContext) -> list[MigrationStep]:
            nonlocal times
            times += 1
            if times > 1:
                hint = "choose one by -x or --name, so that env.py runs them once"
                raise Failure(65, "env.py runs the migrations for several databases or schemas", hint)
            recorder.recording.version_table = str(context.version_table)
            make = MigrationStep.upgrade_from_script if upgrade else MigrationStep.downgrade_from_script
            step: Any = make(self.scripts.revision_map, revision.script)
            function = step.migration_fn

            def migrate(**options: Any) -> None:
                recorder.recording.take_settings(self._settings(context))
                with recorder.during(Phase.REVISION, then=Phase.ALEMBIC):
                    function(**options)

            step.migration_fn = migrate
            return [step]

        environment = EnvironmentContext(
            self.config, self.scripts, fn=steps, as_sql=False, destination_rev=revision.id
        )
        run_migrations = environment.run_migrations

        def run_of_env(**options: Any) -> None:
            with recorder.during(Phase.ALEMBIC, then=Phase.AFTERWARDS):
                run_migrations(**options)

        # Tells env.py's own statements from Alembic's. Only this class is known to `alembic.context`.
        environment.run_migrations = run_of_env  # type: ignore[method-assign]
        try:
            with environment, contextlib.redirect_stdout(sys.stderr):
                with recorder.during(Phase.ENVIRONMENT, then=Phase.OUTSIDE):
                    self.scripts.run_env()
        finally:
            self.target.disconnect()
        if not times:
            raise Failure(65, "env.py did not run the migrations", "it must call context.run_migrations()")
        recording = recorder.recording
        recording.leave_out(self.target.server.rolled_back(recording.transaction_ids.values(), database))
        return recording

    def upgrade_to_head(self, database: str) -> None:
        """Does what `alembic upgrade head` does."""
        self.target.database = database
        try:
            with contextlib.redirect_stdout(sys.stderr):
                command.upgrade(self.config, "head")
        finally:
            self.target.disconnect()

    @staticmethod
    def _settings(context: MigrationContext) -> dict[str, str]:
        """What env.py sets by statements or when it connects, of what a file has another way to say."""
        assert context.connection is not None
        rows = context.connection.exec_driver_sql(
            "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = 'search_path' AND source = 'client' "
            "OR name IN ('lock_timeout', 'statement_timeout') AND source IN ('client', 'session')"
        ).fetchall()
        return {str(name): str(setting) for name, setting in rows}


def as_names(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def natural(name: str) -> tuple[list[tuple[int, int]], str]:
    """Sorts as castoff does: runs of digits as numbers."""
    parts = re.findall(r"\d+|\D", name)
    return [(48, int(part)) if part.isdigit() else (ord(part), 0) for part in parts], name


@dataclass
class Revision:
    """A revision and what was recorded of it."""

    script: Script
    revises: list[str]
    up: Recording = field(default_factory=Recording)
    down: Recording | None = None
    no_down: str = ""

    @property
    def id(self) -> str:
        return str(self.script.revision)

    @property
    def message(self) -> str:
        return " ".join(self.paragraphs[0].split())

    @property
    def paragraphs(self) -> list[str]:
        """What the docstring says, without its keys; the message is first."""
        lines = (self.script.longdoc or "").splitlines()
        told = [line.rstrip() for line in lines if not re.match(r"\s*(Revision ID|Revises|Create Date):", line)]
        return "\n".join(told).strip().split("\n\n")

    @property
    def created(self) -> str:
        found = re.search(r"^\s*Create Date:\s*(\S.*?)\s*$", self.script.longdoc or "", re.MULTILINE)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.id} ({self.message})" if self.message else self.id

    def review(self) -> list[str]:
        """What somebody has to look at, in both directions."""
        down = self.down or Recording()
        notes = dict.fromkeys(notes_of(self.up) + [f"downgrade: {note}" for note in notes_of(down)])
        return list(notes)


def notes_of(recording: Recording) -> list[str]:
    notes = list(recording.review)
    if recording.reads:
        names = ", ".join(sorted(recording.reads))
        notes.insert(0, f"it reads {names}: what it did is for the scratch database's rows, not for yours")
    return notes
