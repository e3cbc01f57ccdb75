//! A history with branches, drawn as a graph: the newest at the top, a line to each parent.

use renderdag::{Ancestor, GraphRowRenderer, Renderer};

use crate::report::Paper;
use crate::revision::{Graph, RevisionId};

/// Draws the graph, with what `label` says beside each revision.
pub(super) fn draw(graph: &Graph, paper: Paper, label: impl Fn(&RevisionId) -> String) -> String {
    let options = GraphRowRenderer::new().output().with_min_row_height(1);
    if paper.is_unicode {
        rows(graph, options.build_box_drawing(), label)
    } else {
        rows(graph, options.build_ascii(), label)
    }
}

fn rows<'g>(
    graph: &'g Graph,
    mut renderer: impl Renderer<&'g RevisionId, Output = String>,
    label: impl Fn(&RevisionId) -> String,
) -> String {
    let newest_first = graph.revisions().iter().rev();
    newest_first
        .map(|revision| {
            let parents = revision.down_revisions().iter().map(Ancestor::Parent).collect();
            renderer.next_row(revision.id(), parents, "o".into(), label(revision.id()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::folder;

    fn graph(revisions: &str) -> Graph {
        let files = revisions.split("; ").map(|revision| {
            let (id, parents) = revision.split_once(": ").unwrap_or((revision, "none"));
            (format!("{id}.sql"), format!("-- {id}\n-- Revises: {parents}\n"))
        });
        folder::read(files, "m").unwrap()
    }

    fn drawn(revisions: &str, is_unicode: bool) -> String {
        let paper = Paper { is_unicode, ..Paper::PLAIN };
        draw(&graph(revisions), paper, ToString::to_string)
    }

    #[test]
    fn a_branch_goes_its_own_way_until_it_is_merged() {
        let history = "a; b: a; c: a; d: b, c; e: d";
        assert_eq!(
            drawn(history, true),
            "o  e\n\
             o    d\n\
             ├─╮\n\
             │ o  c\n\
             o │  b\n\
             ├─╯\n\
             o  a\n"
        );
        assert_eq!(
            drawn(history, false),
            "o  e\n\
             o    d\n\
             |\\\n\
             | o  c\n\
             o |  b\n\
             |/\n\
             o  a\n"
        );
    }

    #[test]
    fn branches_that_cross_are_drawn_apart() {
        assert_eq!(
            drawn("a; b; c: a, b; d: a, b; e: c, d", true),
            "o    e\n\
             ├─╮\n\
             │ o    d\n\
             │ ├─╮\n\
             o │ │  c\n\
             ╰─┬─╮\n  \
               │ o  b\n  \
               o  a\n"
        );
    }
}
