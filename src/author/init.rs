//! The migration folder of a project that has none, and what else the project needs.
//!
//! # Invariants
//! Nothing is written but the folder, and that only where there was nothing.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::author::AuthorError;
use crate::error::Error;
use crate::migrations;
use crate::revision::folder;

/// What made the schema of a project until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Tool {
    Alembic,
    Diesel,
    Django,
    Knex,
    Prisma,
    Rails,
    Sequelize,
    TypeOrm,
    /// golang-migrate, sqlx, or whoever else has files like castoff's.
    SqlFiles,
}

/// What became of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Folder {
    Made,
    /// It was there, with so many revisions.
    Kept {
        revisions: usize,
    },
    /// It was there and is somebody else's, by this.
    Foreign {
        problem: String,
    },
}

/// What was found and made, with what is to be done about it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Project {
    path: PathBuf,
    folder: Folder,
    tool: Option<Tool>,
    /// The file by which the tool was known.
    found: Option<String>,
    import: Option<String>,
    dockerfile: String,
    compose: String,
}

/// Makes the folder `path` if there is none, for the project in the working directory.
pub(crate) fn init(path: &Path) -> Result<Project, Error> {
    let folder = make(path)?;
    let has = |file: &str| Path::new(file).exists();
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let found = tool(&has, &text).or_else(|| sql_files(&folder, path));
    let shown = path.to_string_lossy();
    Ok(Project {
        import: found.as_ref().and_then(|(tool, file)| import(*tool, file, &shown)),
        tool: found.as_ref().map(|(tool, _)| *tool),
        found: found.map(|(_, file)| file),
        dockerfile: dockerfile(&shown),
        compose: COMPOSE.to_owned(),
        path: path.to_owned(),
        folder,
    })
}

fn make(path: &Path) -> Result<Folder, Error> {
    let unwritable = |source| AuthorError::Unwritable { path: path.to_owned(), source };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(unwritable)?;
    }
    match fs::create_dir(path) {
        Ok(()) => Ok(Folder::Made),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(match folder::lineage(migrations::read(path)?, &path.to_string_lossy()) {
                Ok(lineage) => Folder::Kept { revisions: lineage.ids().count() },
                Err(errors) => Folder::Foreign {
                    problem: errors.errors().first().map(ToString::to_string).unwrap_or_default(),
                },
            })
        }
        Err(source) => Err(unwritable(source).into()),
    }
}

/// The tool that has left a file of its own here, with that file.
fn tool(has: &dyn Fn(&str) -> bool, text: &dyn Fn(&str) -> String) -> Option<(Tool, String)> {
    const MARKS: [(&str, Tool); 11] = [
        ("alembic.ini", Tool::Alembic),
        ("manage.py", Tool::Django),
        ("prisma/schema.prisma", Tool::Prisma),
        ("knexfile.js", Tool::Knex),
        ("knexfile.ts", Tool::Knex),
        ("knexfile.mjs", Tool::Knex),
        (".sequelizerc", Tool::Sequelize),
        ("diesel.toml", Tool::Diesel),
        ("db/structure.sql", Tool::Rails),
        ("config/application.rb", Tool::Rails),
        ("db/migrations", Tool::SqlFiles),
    ];
    const PACKAGES: [(&str, Tool); 5] = [
        ("\"prisma\"", Tool::Prisma),
        ("\"@prisma/client\"", Tool::Prisma),
        ("\"knex\"", Tool::Knex),
        ("\"sequelize\"", Tool::Sequelize),
        ("\"typeorm\"", Tool::TypeOrm),
    ];
    if let Some((file, tool)) = MARKS.into_iter().find(|(file, _)| has(file)) {
        return Some((tool, file.to_owned()));
    }
    let packages = text("package.json");
    let package = PACKAGES.into_iter().find(|(package, _)| packages.contains(package));
    package.map(|(_, tool)| (tool, "package.json".to_owned()))
}

/// Files that castoff can read were somebody's before.
fn sql_files(folder: &Folder, path: &Path) -> Option<(Tool, String)> {
    match folder {
        Folder::Kept { revisions: 1.. } => {
            Some((Tool::SqlFiles, path.to_string_lossy().into_owned()))
        }
        Folder::Kept { revisions: 0 } | Folder::Made | Folder::Foreign { .. } => None,
    }
}

/// How the tool's revisions are taken over.
fn import(tool: Tool, found: &str, folder: &str) -> Option<String> {
    let dump = |why: &str| {
        format!(
            "{why} From a new database, which they alone have filled:\n\n    \
             pg_dump --no-owner --no-privileges \"$DATABASE_URL\" \
             >{folder}/0001_before.baseline.sql\n    castoff lock\n\n\
             A database that has this schema is then recognised, and an empty one gets it."
        )
    };
    Some(match tool {
        Tool::Alembic => format!(
            "Alembic's revisions are taken over as SQL files with the same ids, by the project's own \
             Python\nand the script of castoff's sources:\n\n    path/to/venv/bin/python \
             scripts/import-alembic --url postgresql://…/scratch --output {folder}\n\n\
             A database that Alembic has versioned is then adopted where it is."
        ),
        Tool::Diesel => format!(
            "Diesel's folders become files, by the script of castoff's sources:\n\n    \
             scripts/rename-diesel migrations {}",
            if folder == "migrations" { "sql" } else { folder }
        ),
        Tool::Django => dump("Django's migrations are Python."),
        Tool::Knex => dump("Knex's migrations are programs."),
        Tool::Sequelize => dump("Sequelize's migrations are programs."),
        Tool::TypeOrm => dump("TypeORM's migrations are programs."),
        Tool::Prisma => format!(
            "Prisma's migrations are SQL; as castoff's files they are:\n\n    for migration in \
             prisma/migrations/*/; do\n        cp \"$migration/migration.sql\" \
             \"{folder}/$(basename \"$migration\").up.sql\"\n    done\n    castoff lock\n\n\
             A database that has this schema is then recognised."
        ),
        Tool::Rails if found == "db/structure.sql" => format!(
            "Rails' structure.sql is a dump, and so a baseline:\n\n    cp db/structure.sql \
             {folder}/0001_rails.baseline.sql\n    castoff lock\n\n\
             A database that has this schema is then recognised."
        ),
        Tool::Rails => dump("Rails' migrations are Ruby."),
        Tool::SqlFiles if found == folder => return None,
        Tool::SqlFiles => format!(
            "The files of golang-migrate and sqlx work as they are; say where they are:\n\n    \
             CASTOFF_MIGRATIONS_DIR={found} castoff history"
        ),
    })
}

fn dockerfile(folder: &str) -> String {
    let folder = folder.trim_end_matches('/').trim_start_matches("./");
    format!(
        "COPY --from=castoff /castoff /castoff
COPY {folder} /migrations
RUN [\"/castoff\", \"bundle\", \"--migrations\", \"/migrations\", \"--output\", \"/castoff\"]

ENTRYPOINT [\"/castoff\", \"run\", \"--\"]
"
    )
}

const COMPOSE: &str = "services:
  app:
    build: .
    environment:
      DATABASE_URL: postgresql://app:${DB_PASSWORD:?in .env}@db/app
    depends_on: [db]        # for the order alone: castoff waits for what it needs
  db:
    image: postgres:17
    environment:
      POSTGRES_USER: app
      POSTGRES_PASSWORD: ${DB_PASSWORD:?in .env}
    volumes: [db:/var/lib/postgresql/data]
volumes:
  db:
";

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.folder {
            Folder::Made => writeln!(f, "{path} is made; `castoff create MESSAGE` writes into it")?,
            Folder::Kept { revisions: 0 } => {
                writeln!(f, "{path} is there; `castoff create MESSAGE` writes into it")?;
            }
            Folder::Kept { revisions } => {
                let many = if *revisions == 1 { "" } else { "s" };
                writeln!(f, "{path} is there, with {revisions} revision{many}")?;
            }
            Folder::Foreign { problem } => {
                writeln!(f, "{path} is there, and is no folder of castoff's:\n  {problem}")?;
                writeln!(f, "To make another: castoff init --migrations-dir sql")?;
            }
        }
        if let Some(import) = &self.import {
            writeln!(f, "\n{import}")?;
        }
        writeln!(f, "\nDockerfile, before USER and CMD, which stay as they are:\n")?;
        indented(f, &self.dockerfile)?;
        writeln!(f, "\ncompose.yaml:\n")?;
        indented(f, &self.compose)
    }
}

fn indented(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "{}", format!("    {line}").trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str], package: &str) -> Option<Tool> {
        let has = |file: &str| files.contains(&file);
        let text =
            |file: &str| if file == "package.json" { package.to_owned() } else { String::new() };
        tool(&has, &text).map(|(tool, _)| tool)
    }

    #[test]
    fn a_project_is_known_by_what_its_tool_left() {
        for (files, package, expected) in [
            (&[][..], "", None),
            (&["alembic.ini", "manage.py"], "", Some(Tool::Alembic)),
            (&["manage.py"], "", Some(Tool::Django)),
            (&["prisma/schema.prisma"], "", Some(Tool::Prisma)),
            (&["diesel.toml"], "", Some(Tool::Diesel)),
            (&["db/structure.sql", "config/application.rb"], "", Some(Tool::Rails)),
            (&["db/migrations"], "", Some(Tool::SqlFiles)),
            (&[], r#"{"dependencies": {"typeorm": "0.3"}}"#, Some(Tool::TypeOrm)),
            (&[], r#"{"dependencies": {"knex": "3", "pg": "8"}}"#, Some(Tool::Knex)),
            (&[], r#"{"dependencies": {"pg": "8"}}"#, None),
        ] {
            assert_eq!(found(files, package), expected, "{files:?} {package}");
        }
    }

    #[test]
    fn each_tool_is_told_how_its_revisions_are_taken_over() {
        for (tool, file, part) in [
            (Tool::Alembic, "alembic.ini", "scripts/import-alembic --url"),
            (Tool::Diesel, "diesel.toml", "scripts/rename-diesel migrations sql"),
            (Tool::Django, "manage.py", "migrations/0001_before.baseline.sql"),
            (Tool::Prisma, "prisma/schema.prisma", "prisma/migrations/*/"),
            (Tool::Rails, "db/structure.sql", "cp db/structure.sql migrations/"),
            (Tool::SqlFiles, "db/migrations", "CASTOFF_MIGRATIONS_DIR=db/migrations"),
        ] {
            assert!(import(tool, file, "migrations").unwrap().contains(part), "{tool:?}");
        }
        assert_eq!(import(Tool::SqlFiles, "migrations", "migrations"), None);
    }
}
