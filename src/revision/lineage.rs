//! Which revision follows which: ids and edges alone.
//!
//! The folder's graph and the ledger's rows are asked the same questions through it. It may hold what
//! a [`Graph`](crate::revision::Graph) may not: several heads, even circles. No recursion; every
//! question is answered in time linear in the edges, up to a logarithm.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::revision::RevisionId;

/// Revisions and the revisions that each follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    nodes: BTreeMap<RevisionId, Node>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    parents: Vec<RevisionId>,
    children: Vec<RevisionId>,
}

impl Lineage {
    /// Gathers revisions, each with those that it follows. Edges to revisions that aren't there are
    /// dropped; an id met twice has the parents of both.
    pub fn new(revisions: impl IntoIterator<Item = (RevisionId, Vec<RevisionId>)>) -> Self {
        let mut nodes: BTreeMap<RevisionId, Node> = BTreeMap::new();
        for (id, parents) in revisions {
            nodes.entry(id).or_default().parents.extend(parents);
        }
        let ids: Vec<RevisionId> = nodes.keys().cloned().collect();
        for id in ids {
            let mut parents = nodes
                .get_mut(&id)
                .map(|node| std::mem::take(&mut node.parents))
                .unwrap_or_default();
            parents.sort();
            parents.dedup();
            parents.retain(|parent| match nodes.get_mut(parent) {
                Some(node) => {
                    node.children.push(id.clone());
                    true
                }
                None => false,
            });
            if let Some(node) = nodes.get_mut(&id) {
                node.parents = parents;
            }
        }
        Self { nodes }
    }

    /// The ids in natural order.
    pub fn ids(&self) -> impl Iterator<Item = &RevisionId> {
        self.nodes.keys()
    }

    /// Whether the revision is there.
    pub fn contains(&self, id: &RevisionId) -> bool {
        self.nodes.contains_key(id)
    }

    /// The revisions that it follows, in natural order.
    pub fn parents(&self, id: &RevisionId) -> &[RevisionId] {
        self.nodes.get(id).map_or(&[], |node| &node.parents)
    }

    /// The revisions that follow it, in natural order.
    pub fn children(&self, id: &RevisionId) -> &[RevisionId] {
        self.nodes.get(id).map_or(&[], |node| &node.children)
    }

    /// The revisions named and all that they come from. Unknown ones are left out.
    pub fn ancestors<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a RevisionId>,
    ) -> BTreeSet<RevisionId> {
        self.closure(ids, |node| &node.parents)
    }

    /// The revisions named and all that come from them. Unknown ones are left out.
    pub fn descendants<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a RevisionId>,
    ) -> BTreeSet<RevisionId> {
        self.closure(ids, |node| &node.children)
    }

    fn closure<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a RevisionId>,
        next: impl Fn(&Node) -> &[RevisionId],
    ) -> BTreeSet<RevisionId> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&RevisionId> = ids.into_iter().collect();
        while let Some(id) = open.pop() {
            let Some((id, node)) = self.nodes.get_key_value(id) else { continue };
            if found.insert(id) {
                open.extend(next(node));
            }
        }
        found.into_iter().cloned().collect()
    }

    /// The revisions that nothing follows, in natural order.
    pub fn heads(&self) -> Vec<&RevisionId> {
        self.select(|node| node.children.is_empty())
    }

    /// The revisions that follow nothing, in natural order.
    pub fn bases(&self) -> Vec<&RevisionId> {
        self.select(|node| node.parents.is_empty())
    }

    /// The revisions that several follow, in natural order.
    pub fn branch_points(&self) -> Vec<&RevisionId> {
        self.select(|node| node.children.len() > 1)
    }

    fn select(&self, accept: impl Fn(&Node) -> bool) -> Vec<&RevisionId> {
        self.nodes.iter().filter(|(_, node)| accept(node)).map(|(id, _)| id).collect()
    }

    /// Parents before children; of those that could come next, the smallest id. Revisions of a circle,
    /// and what comes from them, are left out.
    pub fn ordered(&self) -> Vec<&RevisionId> {
        let mut missing: HashMap<&RevisionId, usize> =
            self.nodes.iter().map(|(id, node)| (id, node.parents.len())).collect();
        let mut ready: BTreeSet<&RevisionId> = self.bases().into_iter().collect();
        let mut ordered = Vec::with_capacity(self.nodes.len());
        while let Some(id) = ready.pop_first() {
            ordered.push(id);
            for child in self.children(id) {
                if let Some(count) = missing.get_mut(child) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(child);
                    }
                }
            }
        }
        ordered
    }

    /// Whether no revision comes from itself.
    pub fn is_acyclic(&self) -> bool {
        self.ordered().len() == self.nodes.len()
    }

    /// The circles, each from its smallest id along the parents. Circles that share a revision may be
    /// told once.
    pub(super) fn cycles(&self) -> Vec<Vec<RevisionId>> {
        let mut settled: BTreeSet<&RevisionId> = self.ordered().into_iter().collect();
        let mut cycles = Vec::new();
        for start in self.nodes.keys() {
            let mut path = Vec::new();
            let mut on_path = BTreeSet::new();
            let mut next = Some(start);
            while let Some(id) = next.filter(|id| !settled.contains(id) && on_path.insert(*id)) {
                path.push(id);
                next = self.parents(id).iter().find(|parent| !settled.contains(parent));
            }
            let cycle = next.and_then(|id| path.iter().position(|other| *other == id));
            if let Some(cycle) = cycle {
                let mut cycle: Vec<RevisionId> = path[cycle..].iter().copied().cloned().collect();
                let smallest = (0..cycle.len()).min_by_key(|at| &cycle[*at]).unwrap_or(0);
                cycle.rotate_left(smallest);
                cycles.push(cycle);
            }
            settled.extend(path);
        }
        cycles
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const IDS: [&str; 4] = ["2", "10", "a", "b"];

    fn id(id: &str) -> RevisionId {
        RevisionId::new(id).unwrap()
    }

    /// Every DAG of up to four revisions: each set of edges from earlier to later ones, under each order
    /// of the names.
    pub(in crate::revision) fn every_dag()
    -> impl Iterator<Item = Vec<(RevisionId, Vec<RevisionId>)>> {
        (0..=4_usize).flat_map(|count| {
            let edges = count * count.saturating_sub(1) / 2;
            permutations(count).into_iter().flat_map(move |names| {
                (0..1_u32 << edges)
                    .map(move |chosen| {
                        let mut edge = 0;
                        (0..count)
                            .map(|child| {
                                let mut parents = Vec::new();
                                for parent in 0..child {
                                    if chosen & (1 << edge) != 0 {
                                        parents.push(id(IDS[names[parent]]));
                                    }
                                    edge += 1;
                                }
                                (id(IDS[names[child]]), parents)
                            })
                            .collect()
                    })
                    .collect::<Vec<_>>()
            })
        })
    }

    fn permutations(count: usize) -> Vec<Vec<usize>> {
        (0..count).fold(vec![vec![]], |shorter, next| {
            let with_next = |names: &Vec<usize>, at| {
                let mut names = names.clone();
                names.insert(at, next);
                names
            };
            shorter
                .iter()
                .flat_map(|names| (0..=next).map(move |at| with_next(names, at)))
                .collect()
        })
    }

    /// Whether `descendant` is `ancestor` or comes from it, by the plain definition.
    fn comes_from(
        dag: &[(RevisionId, Vec<RevisionId>)],
        descendant: &RevisionId,
        ancestor: &RevisionId,
    ) -> bool {
        let (_, parents) = dag.iter().find(|(id, _)| id == descendant).unwrap();
        descendant == ancestor || parents.iter().any(|parent| comes_from(dag, parent, ancestor))
    }

    #[test]
    fn every_dag_of_four_is_met() {
        assert_eq!(every_dag().count(), 1 + 1 + 2 * 2 + 6 * 8 + 24 * 64);
    }

    #[test]
    fn closures_heads_and_bases_are_as_defined_in_every_dag() {
        for dag in every_dag() {
            let lineage = Lineage::new(dag.clone());
            let ids: Vec<&RevisionId> = dag.iter().map(|(id, _)| id).collect();
            for chosen in 0..1_usize << ids.len() {
                let chosen: Vec<_> = ids
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| chosen & (1 << at) != 0)
                    .map(|(_, id)| *id)
                    .collect();
                let above =
                    ids.iter().filter(|id| chosen.iter().any(|from| comes_from(&dag, from, id)));
                let below =
                    ids.iter().filter(|id| chosen.iter().any(|from| comes_from(&dag, id, from)));
                assert_eq!(lineage.ancestors(chosen.clone()), above.copied().cloned().collect());
                assert_eq!(lineage.descendants(chosen.clone()), below.copied().cloned().collect());
            }
            let is_head = |id: &&RevisionId| dag.iter().all(|(_, parents)| !parents.contains(id));
            let mut heads: Vec<_> = ids.iter().copied().filter(is_head).collect();
            heads.sort();
            assert_eq!(lineage.heads(), heads);
            let mut bases: Vec<_> =
                dag.iter().filter(|(_, parents)| parents.is_empty()).map(|(id, _)| id).collect();
            bases.sort();
            assert_eq!(lineage.bases(), bases);
            for (child, parents) in &dag {
                assert!(parents.iter().all(|parent| lineage.children(parent).contains(child)));
                assert_eq!(lineage.parents(child).len(), parents.len());
            }
        }
    }

    #[test]
    fn the_order_is_the_smallest_ready_id_first_in_every_dag() {
        for dag in every_dag() {
            let lineage = Lineage::new(dag.clone());
            let mut done: Vec<&RevisionId> = Vec::new();
            while done.len() < dag.len() {
                let ready = dag.iter().filter(|(id, parents)| {
                    !done.contains(&id) && parents.iter().all(|parent| done.contains(&parent))
                });
                done.push(ready.map(|(id, _)| id).min().unwrap());
            }
            assert_eq!(lineage.ordered(), done);
            assert!(lineage.is_acyclic() && lineage.cycles().is_empty());
        }
    }

    #[test]
    fn edges_to_unknown_revisions_are_dropped() {
        let lineage = Lineage::new([(id("2"), vec![id("1")]), (id("3"), vec![id("2"), id("2")])]);
        assert!(lineage.parents(&id("2")).is_empty() && !lineage.contains(&id("1")));
        assert_eq!(lineage.parents(&id("3")), [id("2")]);
        assert!(lineage.ancestors([&id("1")]).is_empty());
    }

    #[test]
    fn circles_are_found_and_what_comes_from_them_is_not_ordered() {
        // 1 -> 2 -> 3 -> 2, 3 -> 4; 5 -> 5
        let edges = [
            ("1", vec![]),
            ("2", vec!["1", "3"]),
            ("3", vec!["2"]),
            ("4", vec!["3"]),
            ("5", vec!["5"]),
        ];
        let lineage = Lineage::new(
            edges.map(|(child, parents)| (id(child), parents.into_iter().map(id).collect())),
        );
        assert!(!lineage.is_acyclic());
        assert_eq!(lineage.ordered(), [&id("1")]);
        assert_eq!(lineage.cycles(), [vec![id("2"), id("3")], vec![id("5")]]);
        assert_eq!(lineage.ancestors([&id("4")]).len(), 4);
    }

    #[test]
    fn ten_thousand_revisions_in_a_line_need_no_stack() {
        let name = |number: usize| id(&number.to_string());
        let parents = |number: usize| if number == 0 { vec![] } else { vec![name(number - 1)] };
        let lineage = Lineage::new((0..10_000).rev().map(|number| (name(number), parents(number))));
        assert_eq!(lineage.ancestors([&name(9_999)]).len(), 10_000);
        assert_eq!(lineage.ordered().last(), Some(&&name(9_999)));
    }
}
