//! What a plan takes away that only a backup brings back.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::decide::Image;
use super::{Action, Down, Plan, Standing};
use crate::revision::{Removal, Revision, RevisionId, removals};
use crate::schema::{Entry, Identity, Kind, Line, Lock};

/// A step that takes something away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The revision.
    pub revision: RevisionId,
    /// What it takes away, such as `column public.users.fax`; nothing if it is the revision itself
    /// that is taken back.
    pub removes: Vec<String>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let Self { revision, removes } = self;
        let shown = removes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        match removes.len() {
            0 => write!(f, "{revision} is taken back"),
            1..=SHOWN => write!(f, "{revision} removes {shown}"),
            all => write!(f, "{revision} removes {shown} and {} more", all - SHOWN),
        }
    }
}

impl Plan {
    /// The steps that take something away, in order. Of a revision that `castoff.lock` knows that is
    /// what its lines say, besides statements that remove rows; of another it is what its statements
    /// say. Nothing is lost where nothing was: on an empty database.
    pub fn losses(&self, image: Image<'_>) -> Vec<Loss> {
        if *self.standing() == Standing::Fresh {
            return Vec::new();
        }
        self.steps().iter().filter_map(|step| loss(image, step.action())).collect()
    }
}

fn loss(image: Image<'_>, action: &Action) -> Option<Loss> {
    match action {
        Action::Upgrade { revision, .. } => {
            let removes = removed(image, image.graph.get(revision)?);
            (!removes.is_empty()).then(|| Loss { revision: revision.clone(), removes })
        }
        Action::Downgrade { revision, down, .. } => {
            let here = image.graph.get(revision);
            let did_nothing = *down != Down::Image
                && here.is_some_and(|it| it.up().is_some_and(|up| up.statements().is_empty()));
            (!did_nothing).then(|| Loss { revision: revision.clone(), removes: Vec::new() })
        }
        Action::Record { .. }
        | Action::Baseline { .. }
        | Action::Stamp { .. }
        | Action::Rechain { .. } => None,
    }
}

fn removed(image: Image<'_>, revision: &Revision) -> Vec<String> {
    let entry = image.lock.and_then(|lock| Some((lock, lock.get(revision)?)));
    let mut removed = match entry {
        Some((lock, entry)) => lines(lock, entry),
        None => Vec::new(),
    };
    for (removal, told) in revision.up().map(removals).unwrap_or_default() {
        match removal {
            Removal::Rows => removed.push(format!("rows ({told})")),
            Removal::Objects if entry.is_none() => removed.push(format!("objects ({told})")),
            Removal::Unknown if entry.is_none() => removed.push(format!("what {told} may remove")),
            Removal::Objects | Removal::Unknown => {}
        }
    }
    let mut seen = BTreeSet::new();
    removed.retain(|it| seen.insert(it.clone()));
    removed
}

/// What of the lines that a revision removes has held data.
fn lines(lock: &Lock, entry: &Entry) -> Vec<String> {
    let gone: BTreeSet<_> = entry.removes.iter().map(|line| &line.identity).collect();
    let views: BTreeSet<_> =
        lock.managed().into_iter().filter(|it| it.kind == Kind::View).map(|it| &it.name).collect();
    let is_of = |line: &Line, holders: &dyn Fn(&Identity) -> bool| {
        let holder = line.identity.table().unwrap_or_default();
        [Kind::Table, Kind::MaterializedView, Kind::Type]
            .into_iter()
            .any(|kind| holders(&Identity { kind, name: holder.to_owned() }))
    };
    let added = |line: &Line| entry.adds.iter().find(|added| added.identity == line.identity);
    let told = entry.removes.iter().filter_map(|line| match line.identity.kind {
        Kind::Schema
        | Kind::Extension
        | Kind::Type
        | Kind::Domain
        | Kind::Sequence
        | Kind::Table
        | Kind::MaterializedView => added(line).is_none().then(|| line.identity.to_string()),
        // What goes with its table, or its type, needs no word of its own.
        Kind::Column | Kind::Attribute => match added(line) {
            _ if is_of(line, &|holder| gone.contains(holder)) => None,
            _ if line.identity.table().is_some_and(|it| views.contains(&it.to_owned())) => None,
            None => Some(line.identity.to_string()),
            Some(new) => (new.data_type() != line.data_type())
                .then(|| format!("the type of {}", line.identity)),
        },
        Kind::Object
        | Kind::View
        | Kind::Constraint
        | Kind::Index
        | Kind::Statistics
        | Kind::Function
        | Kind::Procedure
        | Kind::Aggregate
        | Kind::Trigger
        | Kind::Rule
        | Kind::Policy
        | Kind::Body
        | Kind::EventTrigger
        | Kind::Publication
        | Kind::Comment
        | Kind::Owner
        | Kind::Grant
        | Kind::DefaultGrant => None,
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Baseline, DatabaseState, Policy, UserObjects, decide};
    use crate::revision::{Graph, folder};

    fn graph(sql: &str) -> Graph {
        let files = [("1_a.sql", "CREATE TABLE a (x int, y int)"), ("2_b.sql", sql)];
        folder::read(files.map(|(name, sql)| (name.to_owned(), sql)), "migrations").unwrap()
    }

    /// A plan from 1 to 2.
    fn plan(graph: &Graph) -> Plan {
        let examples = vec!["table public.a".to_owned()];
        let user_objects = UserObjects { count: 1, examples };
        let state = DatabaseState { user_objects, ..DatabaseState::default() };
        let baseline = Some(Baseline("1".to_owned()));
        decide(graph, &state, &Policy { baseline, ..Policy::head() }).unwrap()
    }

    /// What a lock with these lines of 2 says that it removes.
    fn by_lock(sql: &str, effect: &str) -> String {
        let graph = graph(sql);
        let [one, two] = graph.revisions() else { panic!("two revisions") };
        let text = format!(
            "# castoff.lock 1: what each revision does to the schema; written by `castoff lock`\n\n\
             revision 1 {}\n+ table public.a\n+ view public.v\n\nrevision 2 {}\n{effect}",
            one.checksum(),
            two.checksum()
        );
        let lock = Lock::parse(&text).unwrap();
        let losses = plan(&graph).losses(Image { graph: &graph, lock: Some(&lock) });
        losses.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_lock_says_what_is_removed() {
        for (sql, effect, expected) in [
            (
                "SELECT f()",
                "- table public.a\n- column public.a.x integer",
                "2 removes table public.a",
            ),
            ("SELECT f()", "- column public.a.x integer", "2 removes column public.a.x"),
            ("SELECT f()", "- column public.v.x integer", ""),
            ("SELECT f()", "- sequence public.s bigint", "2 removes sequence public.s"),
            ("DROP INDEX i", "- index public.i CREATE INDEX i ON public.a USING btree (x)", ""),
            ("SELECT f()", "- column public.a.x integer\n+ column public.a.x integer not null", ""),
            (
                "SELECT f()",
                "- column public.a.x timestamp with time zone not null\n+ column public.a.x date",
                "2 removes the type of column public.a.x",
            ),
            // What the words say matters where the lines cannot: of rows.
            ("DROP TABLE IF EXISTS b", "", ""),
            ("DELETE FROM a; DELETE FROM a", "", "2 removes rows (DELETE)"),
            (
                "TRUNCATE a; DELETE FROM a",
                "- schema s\n- schema t",
                "2 removes schema s, schema t, rows (TRUNCATE) and 1 more",
            ),
        ] {
            assert_eq!(by_lock(sql, effect), expected, "{sql}: {effect}");
        }
    }

    #[test]
    fn without_a_lock_the_words_say_it() {
        for (sql, expected) in [
            ("ALTER TABLE a DROP x", "2 removes objects (DROP COLUMN)"),
            ("TRUNCATE a", "2 removes rows (TRUNCATE)"),
            ("CALL p()", "2 removes what CALL may remove"),
            ("ALTER TABLE a ADD z int", ""),
        ] {
            let graph = graph(sql);
            let losses = plan(&graph).losses(Image::from(&graph));
            let told: Vec<_> = losses.iter().map(ToString::to_string).collect();
            assert_eq!(told.join("; "), expected, "{sql}");
        }
    }

    #[test]
    fn an_empty_database_has_nothing_to_lose() {
        let graph = graph("DROP TABLE a");
        let plan = decide(&graph, &DatabaseState::default(), &Policy::head()).unwrap();
        assert_eq!(plan.losses(Image::from(&graph)), []);
    }
}
