//! A container that was started, and what it came to.

use std::fmt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::docker::{Output, docker, follow, run, try_docker};
use super::{PASSWORDS, SOON};

/// A container. It is removed when it is dropped; if the test has failed, its log is shown.
#[derive(Debug)]
pub(crate) struct Container {
    name: String,
}

impl Container {
    /// Starts one that `docker run` and these arguments describe.
    #[track_caller]
    pub(super) fn start(name: String, arguments: &[String]) -> Container {
        // Made before it is known to have started, so that it is removed also then.
        let container = Container { name };
        let run = ["run", "--detach", "--name", &container.name].map(str::to_owned);
        docker(&[&run, arguments].concat());
        container
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a line with this text, on either stream.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        follow(&self.name, text, SOON)
            .unwrap_or_else(|state| panic!("no line with {text:?} in the log of {self}: {state}"))
    }

    /// Waits until castoff has become the application; returns what was printed until then.
    #[track_caller]
    pub(crate) fn wait_for_application(&self) -> Log {
        self.wait_for_line("application: serving");
        self.log()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&self) -> Ended {
        let code = docker(&["wait", &self.name]).parse().unwrap();
        Ended { code, log: self.log() }
    }

    /// What `docker stop` does to it, and how long that takes.
    #[track_caller]
    pub(crate) fn stop(&self) -> Stopped {
        let asked = Instant::now();
        docker(&["stop", &self.name]);
        Stopped { took: asked.elapsed(), ended: self.wait() }
    }

    /// What it has printed so far.
    #[track_caller]
    pub(crate) fn log(&self) -> Log {
        let mut command = Command::new("docker");
        command.args(["logs", &self.name]);
        Log::new(run(command, SOON))
    }

    /// Runs a program of its image in it.
    #[track_caller]
    pub(crate) fn exec(&self, words: &[&str]) -> String {
        docker(&[&["exec", &self.name], words].concat())
    }

    /// A field of `docker inspect`, in Go's template language.
    #[track_caller]
    pub(crate) fn inspect(&self, field: &str) -> String {
        docker(&["inspect", "--format", field, &self.name])
    }

    /// How long its first process ran.
    #[track_caller]
    pub(crate) fn lived(&self) -> Duration {
        let moments = self.inspect("{{.State.StartedAt}} {{.State.FinishedAt}}");
        let (started, finished) = moments.split_once(' ').unwrap();
        since_midnight(finished).checked_sub(since_midnight(started)).expect("it ran at midnight")
    }

    /// `docker restart`, `pause`, `unpause`.
    #[track_caller]
    pub(crate) fn command(&self, word: &str) {
        docker(&[word, &self.name]);
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if thread::panicking() {
            let state = try_docker(&["inspect", "--format", "{{json .State}}", &self.name]);
            println!("--- {} {}", self.name, state.unwrap_or_else(|error| error));
            let mut command = Command::new("docker");
            command.args(["logs", "--tail", "200", &self.name]);
            let log = run(command, SOON);
            println!("{}{}---", log.stdout, log.stderr);
        }
        drop(try_docker(&["rm", "--force", "--volumes", &self.name]));
    }
}

/// The time of day in a timestamp of RFC 3339.
fn since_midnight(timestamp: &str) -> Duration {
    let time = timestamp.split_once('T').unwrap().1.trim_end_matches('Z');
    let mut parts = time.split(':').map(|part| part.parse::<f64>().unwrap());
    let seconds = parts.by_ref().fold(0.0, |seconds, part| seconds * 60.0 + part);
    Duration::from_secs_f64(seconds)
}

/// What `docker logs` shows of castoff and the application.
#[derive(Debug)]
pub(crate) struct Log {
    /// A command's result.
    pub(crate) stdout: String,
    /// castoff's log; each line is an object of JSON.
    pub(crate) lines: Vec<Value>,
    /// The lines of the application of these tests, which go to the same stream.
    pub(crate) application: Vec<String>,
}

impl Log {
    #[track_caller]
    fn new(output: Output) -> Log {
        for password in PASSWORDS {
            let text = [&output.stdout, &output.stderr];
            assert!(!text.iter().any(|it| it.contains(password)), "a password is in {output:#?}");
        }
        let mut log = Log { stdout: output.stdout, lines: Vec::new(), application: Vec::new() };
        for line in output.stderr.lines() {
            match line.strip_prefix("application: ") {
                Some(said) => log.application.push(said.to_owned()),
                None => log.lines.push(
                    serde_json::from_str(line)
                        .unwrap_or_else(|error| panic!("{error} in {line:?}")),
                ),
            }
        }
        log
    }

    /// The texts of castoff's log.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
    }

    /// Those that the level says something is wrong with.
    pub(crate) fn troubles(&self) -> Vec<&str> {
        let troubles = self.lines.iter().filter(|line| line["level"] != "info");
        troubles.map(|line| line["message"].as_str().unwrap()).collect()
    }

    /// How many messages have this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.messages().iter().filter(|message| message.contains(text)).count()
    }

    /// Fails unless a message has this text.
    #[track_caller]
    pub(crate) fn assert_message(&self, text: &str) -> &Log {
        assert!(self.count(text) > 0, "expected {text:?} in {self:#?}");
        self
    }

    /// What the application said of one thing: `told("pid")`.
    #[track_caller]
    pub(crate) fn told(&self, what: &str) -> &str {
        self.application
            .iter()
            .find_map(|line| line.strip_prefix(what))
            .unwrap_or_else(|| panic!("the application said nothing of {what}: {self:#?}"))
            .trim_start_matches([':', ' '])
    }

    /// Fails if castoff has become the application.
    #[track_caller]
    pub(crate) fn assert_no_application(&self) -> &Log {
        assert!(self.application.is_empty(), "the application was started: {self:#?}");
        self
    }
}

/// A container that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its first process' exit code.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) log: Log,
}

impl Ended {
    /// Fails, showing the log, unless it exited with this code.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Log {
        assert!(self.code == code, "expected exit code {code} of {self:#?}");
        &self.log
    }

    /// Fails unless castoff's last words are an error with this text and the exit code.
    #[track_caller]
    pub(crate) fn assert_error(&self, code: i32, text: &str) -> &Log {
        let log = self.assert_code(code);
        let last = log.lines.last().unwrap_or_else(|| panic!("nothing was said: {self:#?}"));
        assert_eq!((&last["level"], &last["exit_code"]), (&"error".into(), &code.into()), "{last}");
        assert!(last.to_string().contains(text), "expected {text:?} in {last}");
        log
    }
}

/// A container that was stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// From the command to its end.
    pub(crate) took: Duration,
    /// How it ended.
    pub(crate) ended: Ended,
}

impl Stopped {
    /// Fails unless it took less than two seconds.
    #[track_caller]
    pub(crate) fn in_time(&self) -> &Ended {
        assert!(self.took < Duration::from_secs(2), "{self:#?}");
        &self.ended
    }
}
