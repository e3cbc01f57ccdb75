//! Findings in the Static Analysis Results Interchange Format 2.1.0, which code scanners read.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::author::lint::{Finding, Level, RULES, Rule};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A log with one run.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Log(Value);

impl Log {
    pub(super) fn new(findings: &[Finding]) -> Self {
        let mut seen = BTreeMap::new();
        let results: Vec<Value> =
            findings.iter().map(|finding| result(finding, &mut seen)).collect();
        Self(json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "castoff",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "informationUri": env!("CARGO_PKG_REPOSITORY"),
                    "rules": RULES.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
                } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        }))
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn level(rule: &Rule) -> &'static str {
    match rule.level {
        Level::Error => "error",
        Level::Hazard => "warning",
        Level::Style => "note",
    }
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.summary },
        "fullDescription": { "text": rule.why },
        "help": { "text": format!("Instead: {}.", rule.instead) },
        "defaultConfiguration": { "level": level(rule), "enabled": !rule.optional },
        "properties": { "tags": [rule.level.word()] },
    })
}

/// `seen` counts equal findings, which their fingerprints have to tell apart.
fn result(finding: &Finding, seen: &mut BTreeMap<String, usize>) -> Value {
    let Finding { rule, file, place, line, message, allowed, .. } = finding;
    let index = RULES.iter().position(|it| it == rule);
    let mut location = json!({ "artifactLocation": { "uri": uri(file) } });
    if let Some((start, end)) = place {
        location["region"] = json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        });
        if !line.is_empty() {
            location["contextRegion"] = json!({
                "startLine": start.line,
                "snippet": { "text": line },
            });
        }
    }
    // The line's number may change, and it is still the same finding.
    let hash = Sha256::digest(format!("{}\0{file}\0{}\0{message}", rule.name, line.trim()));
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let again = seen.entry(hash.clone()).or_default();
    *again += 1;
    let mut result = json!({
        "ruleId": rule.name,
        "ruleIndex": index,
        "level": level(rule),
        "message": { "text": format!("{message}; instead: {}", rule.instead) },
        "locations": [{ "physicalLocation": location }],
        "partialFingerprints": { "castoff/v1": format!("{hash}:{again}") },
    });
    if let Some(reason) = allowed {
        result["suppressions"] = json!([{ "kind": "inSource", "justification": reason }]);
    }
    result
}

/// A path as a reference that SARIF takes: relative, or a `file:` URI.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    let encode =
        |byte| if is_plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") };
    let encoded: String = path.bytes().map(encode).collect();
    if path.starts_with('/') { format!("file://{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_reference() {
        assert_eq!(uri("./migrations/1_ä b.up.sql"), "migrations/1_%C3%A4%20b.up.sql");
        assert_eq!(uri("/srv/m/1:x.sql"), "file:///srv/m/1%3Ax.sql");
    }
}
