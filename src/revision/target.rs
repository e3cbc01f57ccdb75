//! Which revision a user means: `head`, `base`, `+1`, `-1`, an id, a prefix, `4f1c+2`.

use std::fmt;

use crate::revision::{InvalidTarget, Lineage, RevisionId, TargetError, nearest};

/// A target as it was written, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Heads,
    Base,
    Relative(Steps),
    Named,
}

/// How far to walk, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    Up(usize),
    Down(usize),
}

/// What a target means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Nothing applied.
    Base,
    /// This revision and what it comes from.
    Revision(RevisionId),
    /// Every revision.
    Heads,
}

impl Target {
    /// The head.
    pub fn head() -> Self {
        Self { text: "head".to_owned(), kind: Kind::Heads }
    }

    /// Whether it means the heads, in whichever word.
    pub fn is_head(&self) -> bool {
        self.kind == Kind::Heads
    }

    /// Reads a target: `head`, `heads`, `base`, `+N`, `-N`, an id or the beginning of one, with `+N` or
    /// `-N` behind it.
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        let invalid = |reason| Err(InvalidTarget { text: text.to_owned(), reason });
        let kind = match text {
            "head" | "heads" => Kind::Heads,
            "base" => Kind::Base,
            "" => return invalid("it is empty"),
            _ if text.starts_with(['+', '-']) => match Steps::parse(text) {
                Some(steps) => Kind::Relative(steps),
                None => return invalid("a number from 1 is expected behind the sign"),
            },
            _ => {
                let is_expected = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
                if !text.chars().all(is_expected) {
                    return invalid("a revision id has letters, digits, `.`, `_` and `-`");
                }
                Kind::Named
            }
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// Looks the target up among the revisions of `lineage`; `current_heads` are where the database is.
    pub fn resolve(
        &self,
        lineage: &Lineage,
        current_heads: &[RevisionId],
    ) -> Result<Resolved, TargetError> {
        match self.kind {
            Kind::Heads => Ok(Resolved::Heads),
            Kind::Base => Ok(Resolved::Base),
            Kind::Relative(steps) => {
                let start = match current_heads {
                    [] => None,
                    [head] if lineage.contains(head) => Some(head.clone()),
                    [head] => return Err(TargetError::UnknownCurrent { current: head.clone() }),
                    heads => return Err(TargetError::SeveralHeads { heads: heads.to_vec() }),
                };
                steps.walk(lineage, start)
            }
            Kind::Named => self.resolve_name(lineage),
        }
    }

    /// An exact id wins. Else the whole text may be a prefix, and the text before its last sign may be
    /// an id or a prefix: exactly one of all these must be there.
    fn resolve_name(&self, lineage: &Lineage) -> Result<Resolved, TargetError> {
        if let Some(id) = lineage.ids().find(|id| id.as_str() == self.text) {
            return Ok(Resolved::Revision(id.clone()));
        }
        let mut matches = named(lineage, &self.text);
        let sign = self.text.rfind(['+', '-']).map(|sign| self.text.split_at(sign));
        let relative = sign.and_then(|(origin, steps)| Some((origin, Steps::parse(steps)?)));
        if let Some((origin, steps)) = relative {
            if origin == "base" && matches.is_empty() {
                return steps.walk(lineage, None);
            }
            let origins = match origin {
                "head" => lineage.heads().into_iter().cloned().collect(),
                _ => named(lineage, origin),
            };
            if let ([], [origin]) = (matches.as_slice(), origins.as_slice()) {
                return steps.walk(lineage, Some(origin.clone()));
            }
            matches.extend(origins);
        }
        match matches.as_slice() {
            [] => {
                let near = nearest(&self.text, lineage.ids().map(RevisionId::as_str));
                let nearest = lineage.ids().filter(|id| near.contains(&id.as_str())).cloned();
                Err(TargetError::Unknown { target: self.text.clone(), nearest: nearest.collect() })
            }
            [id] => Ok(Resolved::Revision(id.clone())),
            _ => Err(TargetError::Ambiguous { target: self.text.clone(), matches }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The revision with this id, else those whose ids begin with it.
fn named(lineage: &Lineage, text: &str) -> Vec<RevisionId> {
    let exact: Vec<_> = lineage.ids().filter(|id| id.as_str() == text).cloned().collect();
    if exact.is_empty() {
        lineage.ids().filter(|id| id.as_str().starts_with(text)).cloned().collect()
    } else {
        exact
    }
}

impl Steps {
    fn parse(text: &str) -> Option<Self> {
        let number = text.get(1..)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        // A number beyond usize is farther than any history goes.
        let number = digits.then(|| number.parse().unwrap_or(usize::MAX)).filter(|n| *n > 0)?;
        match text.as_bytes()[0] {
            b'+' => Some(Self::Up(number)),
            b'-' => Some(Self::Down(number)),
            _ => None,
        }
    }

    /// Walks from `start`, none being the base, along a line.
    fn walk(self, lineage: &Lineage, start: Option<RevisionId>) -> Result<Resolved, TargetError> {
        let (steps, is_up) = match self {
            Self::Up(steps) => (steps, true),
            Self::Down(steps) => (steps, false),
        };
        let mut at = start.clone();
        for walked in 0..steps {
            let next = if is_up { one_up(lineage, at.as_ref())? } else { at.clone() };
            let Some(next) = next else {
                return Err(TargetError::TooFar { start, is_up, steps, walked });
            };
            at = if is_up { Some(next) } else { one_down(lineage, &next)? };
        }
        Ok(at.map_or(Resolved::Base, Resolved::Revision))
    }
}

/// The only revision that follows; none at the end of the line.
fn one_up(lineage: &Lineage, at: Option<&RevisionId>) -> Result<Option<RevisionId>, TargetError> {
    let children: Vec<RevisionId> = match at {
        Some(id) => lineage.children(id).to_vec(),
        None => lineage.bases().into_iter().cloned().collect(),
    };
    match children.as_slice() {
        [] => Ok(None),
        [child] => match lineage.parents(child) {
            [] | [_] => Ok(Some(child.clone())),
            parents => Err(merge_point(child, parents)),
        },
        _ => Err(TargetError::BranchPoint { at: at.cloned(), children }),
    }
}

/// The only revision before; none is the base.
fn one_down(lineage: &Lineage, at: &RevisionId) -> Result<Option<RevisionId>, TargetError> {
    match lineage.parents(at) {
        [] => Ok(None),
        [parent] => Ok(Some(parent.clone())),
        parents => Err(merge_point(at, parents)),
    }
}

fn merge_point(merge: &RevisionId, parents: &[RevisionId]) -> TargetError {
    TargetError::MergePoint { merge: merge.clone(), parents: parents.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::lineage::tests::every_dag;

    fn id(id: &str) -> RevisionId {
        RevisionId::new(id).unwrap()
    }

    /// `a <- b: a` and so on.
    fn lineage(revisions: &[&str]) -> Lineage {
        Lineage::new(revisions.iter().map(|revision| {
            let (child, parents) = revision.split_once(": ").unwrap_or((revision, ""));
            (id(child), parents.split_whitespace().map(id).collect())
        }))
    }

    fn resolve(target: &str, lineage: &Lineage, current: &[&str]) -> String {
        let current: Vec<RevisionId> = current.iter().map(|name| id(name)).collect();
        match Target::parse(target).unwrap().resolve(lineage, &current) {
            Ok(Resolved::Base) => "base".to_owned(),
            Ok(Resolved::Heads) => "heads".to_owned(),
            Ok(Resolved::Revision(id)) => id.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn words_ids_and_prefixes_are_targets() {
        let line = lineage(&["4f1c2a", "4f9b: 4f1c2a", "4f9b00: 4f9b", "2024-01: 4f9b00"]);
        for (target, expected) in [
            ("head", "heads"),
            ("heads", "heads"),
            ("base", "base"),
            ("4f1", "4f1c2a"),
            ("4f9b", "4f9b"),
            ("4f9b0", "4f9b00"),
            ("2024-01", "2024-01"),
            ("2024-", "2024-01"),
            ("4f9", "error: `4f9` may mean any of 4f9b, 4f9b00"),
            (
                "4f1c3a",
                "error: no revision is called `4f1c3a`, nor begins with it; did you mean 4f1c2a?",
            ),
            ("zz", "error: no revision is called `zz`, nor begins with it"),
        ] {
            assert_eq!(resolve(target, &line, &[]), expected, "{target}");
        }
        for wrong in ["", "+", "-", "+0", "-x", "+1.5", "a b", "a/b", "é", "--1"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_counted_from_where_the_database_is() {
        let line = lineage(&["a", "b: a", "c: b"]);
        for (target, current, expected) in [
            ("+1", "", "a"),
            ("+3", "", "c"),
            ("+2", "a", "c"),
            ("-1", "c", "b"),
            ("-3", "c", "base"),
            ("+3", "a", "error: +3 is too far: from a it goes 2 steps at most"),
            ("-2", "a", "error: -2 is too far: from a it goes 1 step at most"),
            ("-1", "", "error: -1 is too far: from base it goes 0 steps at most"),
            (
                "+99999999999999999999999",
                "c",
                "error: +18446744073709551615 is too far: from c it goes 0 steps at most",
            ),
            (
                "+1",
                "x",
                "error: a relative target starts from x, where the database is, but that revision is unknown here",
            ),
            ("a+2", "", "c"),
            ("c-2", "", "a"),
            ("head-1", "", "b"),
            ("base+1", "", "a"),
            ("b-2", "", "base"),
            ("zz+1", "", "error: no revision is called `zz+1`, nor begins with it"),
        ] {
            let current: Vec<&str> = current.split_whitespace().collect();
            assert_eq!(resolve(target, &line, &current), expected, "{target}");
        }
    }

    #[test]
    fn steps_behind_an_id_must_not_read_as_an_id() {
        let line = lineage(&["2024", "2024-1: 2024", "2025-10: 2024-1", "2025: 2025-10"]);
        assert_eq!(resolve("2024-1", &line, &[]), "2024-1");
        assert_eq!(resolve("2025-2", &line, &[]), "2024-1");
        assert_eq!(resolve("2025-1", &line, &[]), "error: `2025-1` may mean any of 2025-10, 2025");
    }

    /// ```text
    /// a - b - d - e
    ///   \ c /
    /// ```
    #[test]
    fn steps_stop_where_the_way_divides() {
        let diamond = lineage(&["a", "b: a", "c: a", "d: b c", "e: d"]);
        for (target, current, expected) in [
            ("+1", "a", "error: behind a the way divides: name one of b, c"),
            ("+1", "b", "error: d merges b, c: name the revision that is meant"),
            ("+1", "d", "e"),
            ("-1", "e", "d"),
            ("-2", "e", "error: d merges b, c: name the revision that is meant"),
            ("-1", "b", "a"),
            (
                "+1",
                "b c",
                "error: a relative target needs one head to start from, but the database has b, c",
            ),
        ] {
            let current: Vec<&str> = current.split_whitespace().collect();
            assert_eq!(resolve(target, &diamond, &current), expected, "{target} from {current:?}");
        }
        assert_eq!(
            resolve("+1", &lineage(&["a", "b"]), &[]),
            "error: behind base the way divides: name one of a, b"
        );
    }

    /// The naive definition: a walk of N steps is a chain of N + 1 places with one way at each.
    fn naive(
        dag: &[(RevisionId, Vec<RevisionId>)],
        from: Option<&RevisionId>,
        steps: i32,
    ) -> Option<Resolved> {
        let parents = |of: &RevisionId| &dag.iter().find(|(id, _)| id == of).unwrap().1;
        let Some(left) = (steps != 0).then_some(steps - steps.signum()) else {
            return Some(from.map_or(Resolved::Base, |id| Resolved::Revision(id.clone())));
        };
        if steps < 0 {
            return match parents(from?).as_slice() {
                [] => naive(dag, None, left),
                [parent] => naive(dag, Some(parent), left),
                _ => None,
            };
        }
        let follows = |of: &Vec<RevisionId>| from.map_or(of.is_empty(), |from| of.contains(from));
        let next: Vec<_> = dag.iter().filter(|(_, parents)| follows(parents)).collect();
        match next.as_slice() {
            [(child, parents)] if parents.len() <= 1 => naive(dag, Some(child), left),
            _ => None,
        }
    }

    #[test]
    fn every_target_from_every_current_in_every_dag_is_as_defined() {
        for dag in every_dag() {
            let lineage = Lineage::new(dag.clone());
            let ids: Vec<RevisionId> = dag.iter().map(|(id, _)| id.clone()).collect();
            for current in 0..1_usize << ids.len() {
                let chosen = |at: &usize| current & (1 << at) != 0;
                let current: Vec<_> =
                    (0..ids.len()).filter(chosen).map(|at| ids[at].clone()).collect();
                let resolve =
                    |target: &str| Target::parse(target).unwrap().resolve(&lineage, &current);
                for steps in (-5..=5).filter(|steps| *steps != 0) {
                    let expected = match current.as_slice() {
                        [] => naive(&dag, None, steps),
                        [from] => naive(&dag, Some(from), steps),
                        _ => None,
                    };
                    assert_eq!(
                        resolve(&format!("{steps:+}")).ok(),
                        expected,
                        "{dag:?} {current:?}"
                    );
                }
                assert_eq!(resolve("head"), Ok(Resolved::Heads));
                assert_eq!(resolve("base"), Ok(Resolved::Base));
                for id in &ids {
                    assert_eq!(resolve(id.as_str()), Ok(Resolved::Revision(id.clone())));
                    let expected = naive(&dag, Some(id), -2);
                    assert_eq!(resolve(&format!("{id}-2")).ok(), expected, "{dag:?} {id}");
                }
                assert!(resolve("zz").is_err());
            }
        }
    }
}
