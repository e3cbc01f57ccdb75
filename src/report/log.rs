//! castoff's own events as lines.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Report, clock};
use crate::settings::Level;

/// Sends castoff's events to `report`. A second call, in a program that has a log of its own,
/// changes nothing.
pub(super) fn install(report: Report, most: Level) {
    if tracing::subscriber::set_global_default(Log { report, most }).is_err() {
        tracing::debug!("the program's own log is used");
    }
}

/// castoff has no spans, so an event is all there is.
struct Log {
    report: Report,
    most: Level,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level(*metadata.level()) <= self.most && metadata.target().starts_with("castoff")
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = level(*event.metadata().level());
        if self.report.json {
            let line = Line {
                timestamp: clock::now(),
                level,
                message: fields.message,
                others: fields.others,
            };
            self.report.line(&serde_json::to_string(&line).unwrap_or_default());
        } else {
            let prefix = match level {
                Level::Error => "error: ",
                Level::Warn => "warning: ",
                Level::Info => "",
                Level::Debug => "debug: ",
                Level::Trace => "trace: ",
            };
            self.report.line(&format!("castoff: {prefix}{}", fields.message));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event as a line of JSON.
#[derive(Serialize)]
struct Line {
    timestamp: String,
    level: Level,
    message: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field, json!(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, json!(value));
    }
}
