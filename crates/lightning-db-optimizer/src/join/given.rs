//! A tree that is given, made as the conflicts between joins allow.

use super::JoinModel;
use super::compiled::{Compiled, Fit, bits};
use super::exact::applied;
use super::graph::JoinGraph;
use super::set::Set;
use crate::query::JoinKind;

/// The entry of a tree: relations, and joins of the two parts before, each with `None`. `None` if
/// some of its joins may not be made, needless cross products among them, or if there are more than
/// 128 relations.
pub(crate) fn given<M: JoinModel>(
    graph: &JoinGraph,
    model: &mut M,
    tree: &[Option<usize>],
) -> Option<M::Entry> {
    match graph.relations() {
        1..=64 => made::<u64, M>(graph, model, tree),
        65..=128 => made::<u128, M>(graph, model, tree),
        _ => None,
    }
}

/// What is made of a part of the tree.
struct Made<S, E> {
    set: S,
    inside: Vec<u64>,
    entry: E,
}

fn made<S: Set, M: JoinModel>(
    graph: &JoinGraph,
    model: &mut M,
    tree: &[Option<usize>],
) -> Option<M::Entry> {
    let compiled = Compiled::<S>::whole(graph, true);
    let inside = |set: S| {
        let mut words = Vec::with_capacity(compiled.words);
        compiled.push_inside(set, &mut words);
        words
    };
    let mut stack: Vec<Made<S, M::Entry>> = Vec::new();
    for part in tree {
        if let Some(relation) = part {
            let set = S::single(*relation);
            stack.push(Made { set, inside: inside(set), entry: model.leaf(*relation) });
            continue;
        }
        let (right, left) = (stack.pop()?, stack.pop()?);
        let set = left.set | right.set;
        let both = inside(set);
        let positions = || bits(applied(&left.inside, &right.inside, &both));
        let fit = compiled.fit(left.set, right.set, positions())?;
        let edges: Vec<usize> = positions().map(|edge| compiled.edges[edge].position).collect();
        let kind = positions().last().map_or(JoinKind::Inner, |edge| compiled.edges[edge].kind);
        let (left, right) = if fit == Fit::AsGiven { (left, right) } else { (right, left) };
        let entry = model.join(kind, &left.entry, &right.entry, &edges)?;
        stack.push(Made { set, inside: both, entry });
    }
    let whole = stack.pop()?;
    (stack.is_empty() && whole.set == compiled.all()).then_some(whole.entry)
}
