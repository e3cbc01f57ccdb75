//! From a command line to an exit code: one short file a command.

#[cfg(feature = "author")]
mod author;
mod consent;
mod current;
mod diff;
mod downgrade;
mod history;
mod plan;
mod run;
mod settings;
mod show;
mod stamp;
mod status;
mod upgrade;
mod wait;

use std::ffi::OsString;

use crate::bundle::{self, Bundle};
#[cfg(feature = "author")]
use crate::cli::AuthorCommand;
use crate::cli::{self, Command, Invocation};
use crate::error::Error;
use crate::launch::{App, Handover, LaunchFailure, block_in_helper};
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::report::{Paper, Report};
use crate::settings::{self as configuration, Settings};
use crate::stop::Stop;

/// How a command ends if it does not fail.
enum Outcome {
    /// With this exit code.
    Exit(u8),
    /// As the application.
    Launch(App),
}

/// What every command that does something works with.
struct Bench<'a> {
    migrator: Migrator,
    report: &'a Report,
    /// What results are printed on.
    paper: Paper,
    json: bool,
    /// The settings that were given as flags, as they are typed.
    flags: String,
}

impl Bench<'_> {
    fn print<R: serde::Serialize + std::fmt::Display>(&self, result: &R) -> Result<Outcome, Error> {
        self.report.result(result, self.json)?;
        Ok(Outcome::Exit(0))
    }
}

/// Runs the process's own command line; gives the exit code, unless it becomes the application.
pub(crate) fn main(migrations: &'static Migrations) -> u8 {
    let environment = configuration::environment();
    let mut report = Report::early(&environment);
    match Handover::from_words(std::env::args_os().skip(1)) {
        Ok(None) => {}
        Ok(Some(handover)) => return stay(handover, environment),
        Err(error) => return fail(&report, &error.into()),
    }
    let (outcome, stop) = match start(migrations, &environment, &mut report) {
        Ok(ended) => ended,
        Err(error) => (Err(error), Stop::never()),
    };
    let error = match outcome {
        Ok(Outcome::Exit(code)) => return code,
        Ok(Outcome::Launch(app)) => {
            match app.launch(&environment, Settings::secret_variables(), &stop, &report) {
                LaunchFailure::Stopped(signal) => Error::Stopped(signal),
                LaunchFailure::App(error) => Error::App(error),
            }
        }
        Err(error) => error,
    };
    fail(&report, &error)
}

/// Stays as the application's init, which is what this process was started for.
fn stay(handover: Handover, environment: Vec<(OsString, OsString)>) -> u8 {
    let report = handover.report().clone();
    handover.run(environment).unwrap_or_else(|error| fail(&report, &error.into()))
}

fn fail(report: &Report, error: &Error) -> u8 {
    report.error(error);
    error.exit_code()
}

type Ended = (Result<Outcome, Error>, Stop);

fn start(
    migrations: &'static Migrations,
    environment: &[(OsString, OsString)],
    report: &mut Report,
) -> Result<Ended, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(block_in_helper)
        .build()
        .map_err(Error::Signals)?;
    let ended = runtime.block_on(async {
        let stop = Stop::install().map_err(Error::Signals)?;
        let dispatched = Box::pin(dispatch(migrations, environment, report, &stop)).await;
        Ok((dispatched, stop))
    });
    // Waiting for a stuck getaddrinfo, which cannot be cancelled, would outlast the grace period.
    runtime.shutdown_background();
    ended
}

async fn dispatch(
    migrations: &'static Migrations,
    environment: &[(OsString, OsString)],
    report: &mut Report,
    stop: &Stop,
) -> Result<Outcome, Error> {
    let invocation = cli::parse(std::env::args_os().skip(1))?;
    if let Some(outcome) = without_settings(&invocation, report)? {
        return Ok(outcome);
    }
    let search_path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path);
    let settings = match Settings::read(environment.iter().cloned(), &invocation.flags) {
        Err(error) if configuration::skips(environment, &invocation.flags) => {
            // The way out in an emergency depends on nothing that it does not use.
            report.log_anyway();
            tracing::warn!("{error}; CASTOFF_MODE=skip, so it does not matter");
            let Command::Run { app } = &invocation.command else { return Err(error.into()) };
            let app = app.as_ref().map(|app| {
                App::find(&app.program, &app.arguments, search_path.map(OsString::as_os_str))
            });
            let stay = configuration::stays(environment, &invocation.flags);
            return Ok(run::skip(app.transpose()?.map(|app| app.under_init(stay))));
        }
        other => other?,
    };
    #[cfg(feature = "author")]
    let settings = if let Command::Author(_) = &invocation.command {
        author::in_folder(settings)
    } else {
        settings
    };
    *report = Report::start(&settings);
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if let Command::Settings = invocation.command {
        return settings::run(&settings, report, invocation.json);
    }
    #[cfg(feature = "author")]
    if let Command::Author(command) = &invocation.command
        && let Some(outcome) =
            author::without_database(&settings, report, invocation.json, command)?
    {
        return Ok(outcome);
    }
    let app = if let Command::Run { app: Some(app) } = &invocation.command {
        let found = App::find(&app.program, &app.arguments, search_path.map(OsString::as_os_str))?;
        Some(found.under_init(settings.init))
    } else {
        None
    };
    if let (Command::Run { .. }, configuration::Mode::Skip) = (&invocation.command, settings.mode) {
        return Ok(run::skip(app));
    }
    let migrator =
        Migrator::with_bundle(migrations, Bundle::of_this_program(), settings).until(stop.clone());
    if !takes_any_folder(&invocation.command) {
        migrator.check_folder()?;
    }
    let paper = Paper::of(environment);
    let flags = cli::written(&invocation.flags);
    let bench = Bench { migrator, report, paper, json: invocation.json, flags };
    match invocation.command {
        Command::Run { .. } => run::run(&bench, app).await,
        Command::Wait { revision } => wait::run(&bench, revision.as_deref()).await,
        Command::Upgrade { target } => upgrade::run(&bench, target.as_deref()).await,
        Command::Downgrade { target, consent } => downgrade::run(&bench, &target, &consent).await,
        Command::Stamp { target, consent } => stamp::run(&bench, &target, &consent).await,
        Command::Current => current::run(&bench).await,
        Command::Status => status::run(&bench).await,
        Command::Heads => history::heads(&bench),
        Command::Branches => history::branches(&bench),
        Command::History => history::history(&bench),
        Command::Show { revision } => show::run(&bench, &revision),
        Command::Pending => plan::pending(&bench).await,
        Command::Check { drift } => plan::check(&bench, drift).await,
        Command::Diff { other } => diff::run(&bench, migrations, other.as_deref()).await,
        Command::Plan { downgrade, stamp } => plan::plan(&bench, downgrade, stamp).await,
        #[cfg(feature = "author")]
        Command::Author(command) => author::run(&bench, migrations, command).await,
        Command::Settings
        | Command::Bundle { .. }
        | Command::Install { .. }
        | Command::Help(_)
        | Command::Version => Ok(Outcome::Exit(0)),
    }
}

/// Whether what is wrong with the folder is just what is asked for.
fn takes_any_folder(command: &Command) -> bool {
    #[cfg(feature = "author")]
    if let Command::Author(AuthorCommand::Lint { .. }) = command {
        return true;
    }
    let _ = command;
    false
}

/// Does what depends on no setting, and so works in an image's build and beside a wrong setting.
fn without_settings(invocation: &Invocation, report: &Report) -> Result<Option<Outcome>, Error> {
    match &invocation.command {
        #[cfg(feature = "author")]
        Command::Author(AuthorCommand::Completions { shell }) => {
            report.text(&cli::completions(shell)?)?;
        }
        #[cfg(feature = "author")]
        Command::Author(AuthorCommand::Man) => report.text(&cli::manual())?,
        Command::Bundle { migrations, output } => {
            report.log_anyway();
            report.result(&bundle::bundle(migrations, output)?, invocation.json)?;
        }
        Command::Install { path } => {
            report.result(&bundle::install(path)?, invocation.json)?;
        }
        Command::Help(topic) => report.text(&cli::help(*topic))?,
        Command::Version => report.text(concat!("castoff ", env!("CARGO_PKG_VERSION"), "\n"))?,
        Command::Run { .. }
        | Command::Wait { .. }
        | Command::Upgrade { .. }
        | Command::Downgrade { .. }
        | Command::Stamp { .. }
        | Command::Current
        | Command::Status
        | Command::Heads
        | Command::Branches
        | Command::History
        | Command::Show { .. }
        | Command::Pending
        | Command::Check { .. }
        | Command::Diff { .. }
        | Command::Plan { .. }
        | Command::Settings => return Ok(None),
        #[cfg(feature = "author")]
        Command::Author(_) => return Ok(None),
    }
    Ok(Some(Outcome::Exit(0)))
}
