"""scripts/import-alembic on real Alembic projects, by real drivers, against Alembic itself.

Run by scripts/test-import-alembic, which sets the variables that are read here. In each test Alembic and
castoff get databases of their own, and pg_dump says whether they are the same.
"""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
IMPORT = HERE.parent.parent / "scripts" / "import-alembic"
SERVER = os.environ["TEST_SERVER_URL"]
CASTOFF = os.environ["CASTOFF"]
PROGRAMS = Path(os.environ["PG_BIN"])
TOOLS = Path(os.environ["TEST_TOOLS"])
PASSWORD = "it's 100% s/ecret:@"
WORK = Path(tempfile.mkdtemp(prefix="import-alembic-"))
numbers = itertools.count(1)


def run(*command, cwd=None, code=0, **variables):
    """Runs a program, and fails with all it said if it doesn't end with `code`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CASTOFF"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**environment, "PATH": f"{PROGRAMS}:{environment['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, said
    assert "Traceback" not in done.stderr, said
    for secret in (PASSWORD, quote(PASSWORD, "")):
        assert secret not in done.stdout + done.stderr, "the password is in the output"
    return done


def psql(database, sql):
    return run(PROGRAMS / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, url(database)).stdout.strip()


def url(database):
    return SERVER.rsplit("/", 1)[0] + "/" + database


def importer_url(database, driver=""):
    """The same for a role that may make databases and nothing else."""
    scheme, _, place = url(database).partition("://")
    return f"{scheme}{driver}://importer:{quote(PASSWORD, '')}@{place.rpartition('@')[2]}"


def create(template="template1"):
    name = f"test_{next(numbers)}"
    psql("postgres", f"CREATE DATABASE {name} OWNER importer TEMPLATE {template}")
    return name


def drop(*databases):
    for database in databases:
        psql("postgres", f"DROP DATABASE {database} WITH (FORCE)")


def dump(database, *options):
    """The schema and the rows, but what castoff and Alembic keep for themselves."""
    options += ("--exclude-schema=castoff", "--exclude-table=*.alembic_version")
    done = run(PROGRAMS / "pg_dump", *options, url(database))
    lines = (line for line in done.stdout.splitlines() if not re.match(r"\\(un)?restrict |--", line))
    return "\n".join(line for line in lines if line.strip())


folders = {}

# What the last revision of two projects asks.
CHANGED = "it reads how many rows a statement changed, the rows that UPDATE returned: "


class Project:
    """One of the projects of this folder, with an environment and a driver."""

    def __init__(self, name, venv, driver, *options, rows=(), below=()):
        self.name, self.venv, self.driver, self.options = name, venv, driver, options
        # What Alembic calls the way back from a revision to one that it depends on.
        self.below = dict(below)
        # Rows that are not the same twice: a time, a UUID, a key that a failed statement used up.
        self.rows = [f"--exclude-table-data={table}" for table in rows]
        self.python = TOOLS / venv / "bin" / "python"

    def alembic(self, database, *words):
        section = (
            [f"--name={self.options[self.options.index('--name') + 1]}"] if "--name" in self.options else []
        )
        variables = {"DATABASE_URL": importer_url(database, "+" + self.driver)}
        run(self.python, "-m", "alembic", *section, *words, cwd=HERE / self.name, **variables)

    def imported(self, output, *options, code=0, scratch=None, cwd=None, **variables):
        given = scratch or create()
        command = (
            self.python,
            IMPORT,
            "--url",
            importer_url(given),
            "--output",
            output,
            *self.options,
            *options,
        )
        variables = {"DATABASE_URL": f"postgresql+{self.driver}://nobody@nowhere.invalid/nothing", **variables}
        before = psql("postgres", "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database")
        done = run(*command, cwd=cwd or HERE / self.name, code=code, **variables)
        after = psql("postgres", "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database")
        assert before == after, f"{before}\nbecame\n{after}"
        if scratch is None:
            left = psql(given, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            assert left == "0", "the scratch database was written to"
            drop(given)
        return done

    def folder(self):
        """The imported folder and what was said of it, made once."""
        key = (self.name, self.venv, self.driver, self.options)
        if key not in folders:
            output = WORK / f"folder{next(numbers)}"
            folders[key] = output, self.imported(output).stdout
        return folders[key]

    def castoff(self, database, *words):
        variables = {
            "CASTOFF_DATABASE_URL": importer_url(database),
            "CASTOFF_ENV": "development",
            "CASTOFF_LOG_FORMAT": "text",
        }
        return run(CASTOFF, *words, CASTOFF_MIGRATIONS_DIR=str(self.folder()[0]), **variables)

    def revisions(self):
        """The revisions in castoff's order, the bases first, with what each follows."""
        history = json.loads(self.castoff("postgres", "history", "--json").stdout)
        return {r["revision"]: r["down_revisions"] for r in reversed(history)}

    def notes(self):
        """What is to be reviewed, without the revisions' messages."""
        return re.sub(r"^to review: (\S+) \(.*?\)", r"\1", self.folder()[1], flags=re.MULTILINE)

    def dump(self, database):
        return dump(database, *self.rows)


PROJECTS = {
    "typical": Project("typical", "alembic-new", "psycopg", rows=["customer", "customer_id_seq"]),
    "async": Project("async", "alembic-new", "asyncpg"),
    "legacy": Project("legacy", "alembic-old", "psycopg2", "--name", "shop", below={"other": "side@base"}),
}


def version_numbers(database):
    """Alembic's record, in whatever schema it is."""
    table = psql(database, "SELECT oid::regclass FROM pg_class WHERE relname = 'alembic_version'")
    return tuple(psql(database, f"SELECT version_num FROM {table} ORDER BY 1").split())


def lineage(revisions, revision):
    return {revision}.union(*(lineage(revisions, parent) for parent in revisions[revision]))


class SameAsAlembic(unittest.TestCase):
    maxDiff = 4000

    def test_every_revision_is_the_same_up_and_down_and_is_adopted(self):
        for project in PROJECTS.values():
            revisions = project.revisions()
            at_head = create()
            project.alembic(at_head, "upgrade", "head")
            expected = project.dump(at_head)
            drop(at_head)
            for revision, parents in revisions.items():
                with self.subTest(f"{project.name} {revision}"):
                    by_alembic, by_castoff = create(), create()
                    project.alembic(by_alembic, "upgrade", revision)
                    project.castoff(by_castoff, "upgrade", revision)
                    self.assertEqual(project.dump(by_castoff), project.dump(by_alembic))
                    for parent in parents:
                        self.assert_the_way_back_is_the_same(project, by_alembic, by_castoff, revision, parent)
                    self.assert_adopted(project, by_alembic, expected, lineage(revisions, revision))
                    drop(by_alembic, by_castoff)

    def assert_the_way_back_is_the_same(self, project, by_alembic, by_castoff, revision, parent):
        alembic_back, castoff_back = create(by_alembic), create(by_castoff)
        project.alembic(alembic_back, "downgrade", project.below.get(revision, parent))
        project.castoff(castoff_back, "downgrade", parent)
        self.assertEqual(project.dump(castoff_back), project.dump(alembic_back), f"back to {parent}")
        if f"{revision}: a second run sent other statements" not in project.notes():
            project.castoff(castoff_back, "upgrade", revision)
            self.assertEqual(dump(castoff_back, "--schema-only"), dump(by_castoff, "--schema-only"))
        drop(alembic_back, castoff_back)

    def assert_adopted(self, project, database, expected, revisions):
        versions = version_numbers(database)
        project.castoff(database, "run")
        self.assertEqual(project.dump(database), expected)
        self.assertEqual(version_numbers(database), versions)
        adopted = psql(database, "SELECT revision FROM castoff.revision WHERE origin = 'adopt'")
        self.assertEqual(set(adopted.split()), revisions)

    def test_a_database_on_two_branches_is_adopted(self):
        for name, branches in {"typical": ("5e06a", "5e06b"), "legacy": ("9", "other")}.items():
            with self.subTest(name):
                project = PROJECTS[name]
                revisions = project.revisions()
                at_head, adopted = create(), create()
                project.alembic(at_head, "upgrade", "head")
                for branch in branches:
                    project.alembic(adopted, "upgrade", branch)
                self.assertEqual(version_numbers(adopted), branches)
                both = set().union(*(lineage(revisions, branch) for branch in branches))
                self.assert_adopted(project, adopted, project.dump(at_head), both)
                drop(at_head, adopted)

    def test_every_driver_and_version_gives_a_folder_that_castoff_takes(self):
        for name, venv, driver, *options in [
            ("typical", "alembic-old", "psycopg2"),
            ("typical", "alembic-middle", "psycopg", "-x", "per=migration"),
            ("typical", "alembic-new", "psycopg2"),
            ("async", "alembic-old", "asyncpg"),
            ("async", "alembic-middle", "asyncpg"),
            ("async", "alembic-new", "psycopg"),
            ("legacy", "alembic-middle", "psycopg2", "--name", "shop"),
        ]:
            with self.subTest(f"{name}, {venv}, {driver}"):
                project = Project(name, venv, driver, *options, rows=["customer", "customer_id_seq"])
                said = project.folder()[1]
                self.assertIn("the files make the schema that Alembic makes", said)
                self.assertEqual("how many rows a statement changed" in said, name != "legacy", said)
                by_alembic, by_castoff = create(), create()
                project.alembic(by_alembic, "upgrade", "head")
                project.castoff(by_castoff, "upgrade")
                self.assertEqual(project.dump(by_castoff), project.dump(by_alembic))
                drop(by_alembic, by_castoff)

    def test_the_folders_can_be_bundled(self):
        for project in PROJECTS.values():
            with self.subTest(project.name):
                run(CASTOFF, "bundle", "--migrations", project.folder()[0], "--output", WORK / "bundle")


class Recorded(unittest.TestCase):
    """What is in the files of the project `typical`, and what is said of them."""

    @classmethod
    def setUpClass(cls):
        cls.folder, cls.said = PROJECTS["typical"].folder()

    def text(self, revision, ending="up"):
        (path,) = self.folder.glob(f"{revision}_*.{ending}.sql")
        return path.read_text()

    def test_the_header_is_the_docstring(self):
        self.assertTrue(
            self.text("5e01").startswith(
                "-- shop: customers & orders\n"
                "-- Revision ID: 5e01\n"
                "-- Revises: none\n"
                "-- Create Date: 2023-04-01 09:00:00.123456\n"
                "--\n"
                "-- It begins with a table.\n"
                "-- Transactions - this looks like a key.\n"
                "-- (Copyright: so does this, or like a licence.)\n"
                "\n"
                "CREATE TYPE customer_kind"
            ),
            self.text("5e01"),
        )
        self.assertIn("-- Revision ID: 5e_07\n-- Revises: 5e06a, 5e06b\n", self.text("5e-07"))

    def test_what_reads_is_left_out_and_what_has_an_effect_is_kept(self):
        text = self.text("5e04")
        for kept in ("SELECT setval('counter', 41);", "SELECT count_up();", "WITH made AS", "INTO TEMP kept"):
            self.assertIn(kept, text)
        for left_out in ("AS nothing", "SHOW", "pg_table_size"):
            self.assertNotIn(left_out, text)
        self.assertNotIn("SELECT", self.text("5e05"))
        self.assertNotIn("pg_catalog", self.text("5e09"))

    def test_statements_are_as_they_were_written(self):
        text = self.text("5e04")
        self.assertIn("            RETURN format('%s; %I', upper(word), 'a;b') || '10%';\n        END\n", text)
        self.assertIn("CREATE SEQUENCE counter; /* no ; here */\n", text)
        self.assertIn("SELECT setval('counter', 41); -- the next is 42\n", text)
        self.assertIn("WHERE id = 7;\n        -- the end\n", text)
        self.assertIn("/* as in the revision: */\n-- Transaction: none\n", text)

    def test_a_block_outside_the_transaction_stays_outside(self):
        statements = re.sub(r"\s+", " ", self.text("5e06b").split("-- Transaction: none\n")[1])
        self.assertRegex(
            statements,
            "BEGIN; ALTER .* COMMIT; CREATE INDEX CONCURRENTLY .* CREATE UNIQUE INDEX CONCURRENTLY .* COMMENT",
        )
        self.assertIn("-- Transaction: none\n", self.text("5e06b", "down"))
        self.assertNotIn("-- Transaction: none\n", self.text("5e05"))

    def test_what_somebody_has_to_look_at_is_noted(self):
        noted = {
            path.name.split("_")[0] for path in self.folder.iterdir() if "-- To review:" in path.read_text()
        }
        self.assertEqual(noted, {"5e05", "5e10", "5e11"})
        self.assertIn("-- To review: it reads thing:", self.text("5e05"))
        self.assertIn("-- To review: a second run sent other statements", self.text("5e10"))
        self.assertIn("-- To review: it goes on after an error: UniqueViolation", self.text("5e10"))
        self.assertIn(f"-- To review: {CHANGED}", self.text("5e11"))
        self.assertEqual(len(re.findall("^to review: ", self.said, re.MULTILINE)), 4)
        self.assertRegex(self.said, "asked the catalogue what is there.*: 5e09\n")

    def test_a_downgrade_that_raises_has_no_file_and_an_empty_one_has_an_empty_file(self):
        self.assertEqual(list(self.folder.glob("5e01*.down.sql")), [])
        self.assertIn("no down file: 5e01 (shop: customers & orders): NotImplementedError:", self.said)
        for revision in ("5e05", "5e-07", "5e08"):
            self.assertTrue(all(line.startswith("--") for line in self.text(revision, "down").splitlines()))

    def test_what_env_py_does_itself_is_in_the_files(self):
        folder, said = PROJECTS["legacy"].folder()
        for path in folder.iterdir():
            self.assertIn("SET search_path TO shop,public;\n", path.read_text())
            self.assertIn("-- Lock-Timeout: 4500ms\n-- Statement-Timeout: 60s\n", path.read_text())
            self.assertNotRegex(path.read_text(), "SET statement_timeout|advisory")
        self.assertIn(
            'CREATE SCHEMA IF NOT EXISTS "version\'s";\n', (folder / "1_the_first.up.sql").read_text()
        )
        self.assertEqual(len(re.findall("^env.py's own statement, now in ", said, re.MULTILINE)), 3)
        self.assertIn("env.py's advisory lock is in no file", said)
        self.assertIn("it runs COMMIT itself", said)


class Refused(unittest.TestCase):
    """What can't be imported, or not so."""

    def small(self, up, down="pass", revisions=(), driver="psycopg2"):
        """A project of one revision, or of those given."""
        folder = self.project = WORK / f"project{next(numbers)}"
        shutil.copytree(HERE / "typical", folder, ignore=shutil.ignore_patterns("versions", "__pycache__"))
        (folder / "versions").mkdir()
        for name, parent in revisions or [("one", None)]:
            text = f"from alembic import op\nrevision = {name!r}\ndown_revision = {parent!r}\n"
            text += f"def upgrade():\n    {up}\ndef downgrade():\n    {down}\n"
            (folder / "versions" / f"{name}.py").write_text(text)
        project = Project("typical", "alembic-new", driver)
        self.output = WORK / f"output{next(numbers)}"
        return lambda *options, **more: project.imported(self.output, *options, cwd=folder, **more)

    def assert_refused(self, done, *texts):
        for text in texts:
            self.assertIn(text, done.stderr)
        self.assertFalse(self.output.exists() and any(self.output.glob("*.sql")))

    def test_a_database_with_anything_in_it(self):
        for made in (
            "CREATE TABLE t ()",
            "CREATE TYPE e AS ENUM ()",
            "CREATE SEQUENCE s",
            "CREATE DOMAIN d AS int",
            "CREATE SCHEMA x CREATE VIEW v AS SELECT 1",
            "CREATE TABLE alembic_version ()",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ):
            database = create()
            psql(database, made)
            done = self.small("pass")(code=69, scratch=database)
            self.assert_refused(done, f"{database} is not empty: it has ", "createdb scratch")
            drop(database)

    def test_a_database_with_an_extension_and_a_schema_alone_is_empty(self):
        database = create()
        psql(database, "CREATE EXTENSION pg_trgm; CREATE SCHEMA empty AUTHORIZATION importer")
        self.small("op.execute('CREATE TABLE empty.t ()')", "op.execute('DROP TABLE empty.t')")(
            scratch=database
        )
        self.assertIn("CREATE TABLE empty.t ();", (self.output / "one.up.sql").read_text())
        drop(database)

    def test_several_heads(self):
        done = self.small("pass", revisions=[("a", None), ("b", "a"), ("c", "a")])(code=65)
        self.assert_refused(done, "there are several heads: b, c", "alembic merge heads")

    def test_a_parent_that_is_not_there(self):
        done = self.small("pass", revisions=[("b", "a")])(code=65)
        self.assert_refused(done, "the revisions cannot be read")

    def test_ids_that_castoff_does_not_take(self):
        self.assert_refused(self.small("pass", revisions=[("a b", None)])(code=65), "no revision id like 'a b'")

    def test_rows_that_the_driver_copies(self):
        for driver, copy in {
            "psycopg2": "op.get_bind().connection.cursor().copy_expert('COPY t FROM stdin', None)",
            "psycopg": "op.get_bind().connection.cursor().copy('COPY t FROM stdin')",
        }.items():
            done = self.small(copy, driver=driver)(code=65)
            self.assert_refused(done, "the upgrade of one failed: copies rows by the driver (COPY)")

    def test_transaction_control_among_other_statements(self):
        done = self.small("op.execute('COMMIT; CREATE TABLE t ()')")(code=65)
        self.assert_refused(done, "the upgrade of one failed: runs COMMIT in a way")

    def test_an_upgrade_that_fails_is_shown_with_its_place(self):
        done = self.small("op.execute('CREATE TABLE t (i nonsense)')")(code=65)
        self.assert_refused(done, 'type "nonsense" does not exist', "versions/one.py:5", "in CREATE TABLE t")

    def test_an_environment_that_fails(self):
        importing = self.small("pass")
        project = self.project
        (project / "env.py").write_text("import os\nos.environ['SHOP_SETTINGS']\n")
        self.assert_refused(importing(code=65), "KeyError: 'SHOP_SETTINGS'", "env.py:2")
        (project / "env.py").write_text("raise SystemExit('not today')\n")
        self.assert_refused(importing(code=65), "SystemExit: not today")
        (project / "env.py").write_text("pass\n")
        self.assert_refused(importing(code=65), "env.py did not run the migrations")
        (project / "env.py").write_text(
            "from alembic import context\nfrom sqlalchemy import create_engine\n"
            "engine = create_engine('sqlite://')\ncontext.configure(connection=engine.connect())\n"
        )
        self.assert_refused(importing(code=65), "the project connects by sqlite+pysqlite")
        (project / "env.py").write_text(
            "from alembic import context\nfrom sqlalchemy import create_engine\nimport psycopg2\n"
            f"engine = create_engine('postgresql+psycopg2://', creator=lambda: psycopg2.connect({SERVER!r}))\n"
            "context.configure(connection=engine.connect())\n"
        )
        self.assert_refused(importing(code=65), "a connection that cannot be led to the scratch database")
        (project / "env.py").write_text((HERE / "typical" / "env.py").read_text() * 2)
        self.assert_refused(importing(code=65), "for several databases or schemas")

    def test_branches_that_alembic_takes_in_another_order(self):
        up = "op.execute(f'CREATE TABLE IF NOT EXISTS t (); ALTER TABLE t ADD {revision} int')"
        # It begins with what is merged last.
        for branches, told in {("b", "c"): True, ("c", "b"): False}.items():
            merged = [("a", None), *((branch, "a") for branch in branches), ("d", branches)]
            said = self.small(up, revisions=merged)().stdout
            self.assertIn("the files make the schema that Alembic makes", said)
            self.assertEqual("\n-    b integer,\n" in said, told, said)
            self.assertEqual("goes through the branches in another order" in said, told)

    def test_an_output_that_is_there(self):
        importing = self.small("pass")
        self.output.mkdir()
        (self.output / "x").touch()
        self.assert_refused(importing(code=73), "is there, and no empty folder")

    def test_a_command_line_that_is_wrong(self):
        importing = self.small("pass")
        self.assertIn("there is no other.ini", importing("--config", "other.ini", code=64).stderr)
        self.assertIn("unrecognized arguments", importing("--sql", code=64).stderr)
        python = TOOLS / "alembic-new" / "bin" / "python"
        for wrong in ("nonsense", "mysql://x/y", "postgresql://localhost"):
            done = run(python, IMPORT, "--url", wrong, "--output", self.output, cwd=WORK, code=64)
            self.assertIn("error: --url", done.stderr)

    def test_a_server_that_does_not_let_one_in(self):
        python = TOOLS / "alembic-new" / "bin" / "python"
        wrong = importer_url("postgres").replace("importer:", "nobody:")
        done = run(python, IMPORT, "--url", wrong, "--output", WORK / "no", cwd=HERE / "typical", code=69)
        self.assertIn("postgres cannot be used: ", done.stderr)
        self.assertIn("password authentication failed", done.stderr)

    def test_a_role_that_may_not_make_databases(self):
        database = create()
        psql("postgres", "ALTER ROLE importer NOCREATEDB")
        try:
            done = self.small("pass")(code=69, scratch=database)
        finally:
            psql("postgres", "ALTER ROLE importer CREATEDB")
        self.assert_refused(done, "permission denied", "needs CREATEDB")
        drop(database)

    def test_a_python_without_alembic(self):
        done = run(sys.executable, "-S", "-I", IMPORT, "--help", code=78)
        self.assertIn("hint: run this by the Python of the project's own environment", done.stderr)

    def test_sigterm_leaves_no_database_behind(self):
        importing = Project("typical", "alembic-new", "psycopg2")
        database = create()
        output = WORK / f"output{next(numbers)}"
        command = [importing.python, IMPORT, "--url", importer_url(database), "--output", output]
        process = subprocess.Popen(command, cwd=HERE / "typical", stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            if line.startswith("[3/"):
                break
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(60), 143)
        left = psql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'castoff_import_%'")
        self.assertEqual((left, output.exists()), ("0", False))
        drop(database)

    def test_an_undone_statement_is_in_no_file(self):
        words = (
            "CREATE TABLE kept ()",
            "COMMIT",
            "BEGIN",
            "CREATE TABLE undone ()",
            "ROLLBACK",
            "CREATE TABLE x ()",
        )
        up = "; ".join(f"op.execute({sql!r})" for sql in words)
        done = self.small(up, "raise Exception('no')")()
        text = (self.output / "one.up.sql").read_text()
        self.assertIn("CREATE TABLE kept ();\n\nCREATE TABLE x ();", text)
        self.assertNotIn("CREATE TABLE undone", text)
        self.assertIn("it rolls a transaction back", done.stdout)


def setUpModule():
    psql("postgres", f"CREATE ROLE importer LOGIN CREATEDB PASSWORD $secret${PASSWORD}$secret$")


def tearDownModule():
    shutil.rmtree(WORK, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
