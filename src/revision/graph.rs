//! The revisions of a folder, known to fit together.

use std::collections::{BTreeMap, HashMap};

use crate::revision::{Chain, Lineage, Revision, RevisionId};

/// A checked folder: unique ids, every down revision there, no circle, at most one head.
///
/// Only [`folder::read`](crate::revision::folder::read) makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Parents before children.
    revisions: Vec<Revision>,
    chains: Vec<Chain>,
    places: HashMap<RevisionId, usize>,
    lineage: Lineage,
}

impl Graph {
    /// Orders revisions that were checked; `lineage` is theirs.
    pub(super) fn new(mut revisions: BTreeMap<RevisionId, Revision>, lineage: Lineage) -> Self {
        let ordered: Vec<Revision> =
            lineage.ordered().into_iter().filter_map(|id| revisions.remove(id)).collect();
        let mut places = HashMap::with_capacity(ordered.len());
        let mut chains: Vec<Chain> = Vec::with_capacity(ordered.len());
        for (place, revision) in ordered.iter().enumerate() {
            let parents = revision.down_revisions();
            let parents = parents.iter().filter_map(|id| places.get(id)).map(|at| chains[*at]);
            chains.push(Chain::of(revision.checksum(), parents));
            places.insert(revision.id().clone(), place);
        }
        Self { revisions: ordered, chains, places, lineage }
    }

    /// The revisions, parents before children; of those that could come next, the smallest id.
    pub fn revisions(&self) -> &[Revision] {
        &self.revisions
    }

    /// A revision by its id.
    pub fn get(&self, id: &RevisionId) -> Option<&Revision> {
        self.places.get(id).map(|place| &self.revisions[*place])
    }

    /// The digest of a revision with its whole history.
    pub fn chain(&self, id: &RevisionId) -> Option<&Chain> {
        self.places.get(id).map(|place| &self.chains[*place])
    }

    /// The revision that nothing follows; none in an empty folder.
    pub fn head(&self) -> Option<&RevisionId> {
        self.revisions.last().map(Revision::id)
    }

    /// The same as a list: empty or one head.
    pub fn heads(&self) -> Vec<&RevisionId> {
        self.lineage.heads()
    }

    /// The revisions that follow nothing, in natural order.
    pub fn bases(&self) -> Vec<&RevisionId> {
        self.lineage.bases()
    }

    /// The revisions that several follow, in natural order.
    pub fn branch_points(&self) -> Vec<&RevisionId> {
        self.lineage.branch_points()
    }

    /// The revisions that follow this one, in natural order.
    pub fn children(&self, id: &RevisionId) -> &[RevisionId] {
        self.lineage.children(id)
    }

    /// Whether it follows several revisions.
    pub fn is_merge_point(&self, id: &RevisionId) -> bool {
        self.lineage.parents(id).len() > 1
    }

    /// The ids and edges alone.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::lineage::tests::every_dag;
    use crate::revision::{Problem, folder};

    #[test]
    fn every_dag_with_one_head_is_a_graph_and_no_other_is() {
        for dag in every_dag() {
            let files = dag.iter().map(|(id, parents)| {
                let parents: Vec<&str> = parents.iter().map(RevisionId::as_str).collect();
                (
                    format!("{id}_x.up.sql"),
                    format!("-- Revises: {}\nselect '{id}'", parents.join(", ")),
                )
            });
            let lineage = Lineage::new(dag.clone());
            match folder::read(files, "m") {
                Ok(graph) => {
                    assert_eq!(graph.lineage(), &lineage);
                    assert!(graph.heads().len() <= 1);
                    assert_eq!(graph.head(), graph.heads().first().copied());
                    let ids: Vec<&RevisionId> =
                        graph.revisions().iter().map(Revision::id).collect();
                    assert_eq!(ids, lineage.ordered());
                    let chains: std::collections::BTreeSet<_> =
                        ids.iter().map(|id| graph.chain(id)).collect();
                    assert_eq!(chains.len(), ids.len());
                }
                Err(errors) => {
                    let heads = lineage.heads().into_iter().cloned().collect::<Vec<_>>();
                    assert!(heads.len() > 1);
                    assert_eq!(errors.errors()[0].problem(), &Problem::MultipleHeads { heads });
                }
            }
        }
    }
}
