//! From a tree of joins to a graph whose edges say what may be reordered: conflict detection.
//!
//! Source: G. Moerkotte, P. Fender, M. Eich, "On the correct and complete enumeration of the core
//! search space", SIGMOD 2013: algorithm CD-C and its tables. We depart from it in this: an inner
//! join becomes one edge for each predicate; a join without a predicate over one of its sides needs
//! that whole side; mark joins are treated as nestjoins are; a single join, which may fail, only
//! passes joins that keep each row of its left side.

use std::collections::BTreeSet;
use std::ops::Range;

use super::graph::{Edge, JoinGraph, Rule};
use super::tree::{Tree, TreeJoin};
use crate::error::{Error, Result};
use crate::query::JoinKind;

/// A tree of joins as it was written.
#[derive(Debug, Clone, Default)]
pub struct JoinTree {
    nodes: Vec<TreeNode>,
    leaves: usize,
}

/// A node of a [`JoinTree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeId(usize);

/// A condition of a join.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// Means something to the caller alone.
    pub handle: usize,
    /// The relations whose columns it uses. What uses the column that a mark join makes uses a
    /// relation of that join's right side.
    pub relations: Vec<usize>,
    /// Those of them for which this holds: where all columns of the relation are null, the
    /// condition is not true.
    pub rejects: Vec<usize>,
}

#[derive(Debug, Clone)]
enum TreeNode {
    Leaf(usize),
    Join { kind: JoinKind, left: TreeId, right: TreeId, conditions: Vec<Condition> },
}

impl JoinTree {
    /// A tree without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a relation. They are numbered from zero.
    pub fn leaf(&mut self) -> TreeId {
        self.leaves += 1;
        self.add(TreeNode::Leaf(self.leaves - 1))
    }

    /// Adds a join of two nodes. A pair of rows matches if all conditions are true.
    pub fn join(
        &mut self,
        kind: JoinKind,
        left: TreeId,
        right: TreeId,
        conditions: Vec<Condition>,
    ) -> TreeId {
        self.add(TreeNode::Join { kind, left, right, conditions })
    }

    fn add(&mut self, node: TreeNode) -> TreeId {
        self.nodes.push(node);
        TreeId(self.nodes.len() - 1)
    }
}

impl JoinGraph {
    /// The graph of a tree: every order that it allows gives the rows of the tree, and the order of
    /// the tree is one of them.
    ///
    /// Inner joins give one edge for each condition, other joins one edge. Costs up to the square
    /// of the number of joins that are not inner; a tree that has too many of them keeps its order.
    ///
    /// # Errors [`Error::Shape`] if the nodes below `root` are not the whole of a tree, or if a
    /// condition uses a relation that is not below its join.
    pub fn of_tree(tree: &JoinTree, root: TreeId) -> Result<Self> {
        let operators = Operators::new(tree, root)?;
        let mut graph = Edges { operators: &operators, joins: Vec::new(), products: Vec::new() };
        let mut written = Tree::default();
        let mut work = WORK_MAX;
        for (position, operator) in operators.list.iter().enumerate() {
            let from = graph.joins.len();
            graph.add(position, &mut work);
            written.joins.push(TreeJoin {
                kind: operator.kind,
                left: operator.left,
                right: operator.right,
                edges: (from..graph.joins.len()).collect(),
            });
        }
        let (edges, products) = (graph.joins, graph.products);
        Ok(Self::from_tree(tree.leaves, written, edges, products, work == 0))
    }
}

/// Comparisons of operators, and relations in rules, that a tree may take.
const WORK_MAX: usize = 4_000_000;

/// Joins of a tree, inputs first, over places: relations counted from left to right.
struct Operators {
    list: Vec<Operator>,
    /// Relation at each place.
    relations: Vec<usize>,
}

struct Operator {
    kind: JoinKind,
    /// Nodes as in [`Tree`].
    left: usize,
    right: usize,
    /// Places of its left side, then of its right side.
    places: [Range<usize>; 2],
    /// Positions of the operators in its left side, then in its right side.
    below: [Range<usize>; 2],
    /// Whether all of them are inner.
    inner: bool,
    conditions: Vec<Uses>,
    /// All conditions together.
    uses: Uses,
}

/// What conditions use, as places.
#[derive(Debug, Clone, Default)]
struct Uses {
    handles: Vec<usize>,
    places: BTreeSet<usize>,
    rejects: BTreeSet<usize>,
}

/// A node whose operators are listed.
struct Done {
    /// As in [`Tree`].
    node: usize,
    places: Range<usize>,
    /// Positions of its operators.
    below: Range<usize>,
    /// Whether all of them are inner.
    inner: bool,
}

/// A side of an operator.
const LEFT: usize = 0;
const RIGHT: usize = 1;

fn shape<T>(detail: String) -> Result<T> {
    Err(Error::Shape { what: "a join tree", detail })
}

/// Whether a set has a member in a range.
fn meets(set: &BTreeSet<usize>, range: &Range<usize>) -> bool {
    set.range(range.clone()).next().is_some()
}

impl Operators {
    fn new(tree: &JoinTree, root: TreeId) -> Result<Self> {
        let mut made = Self { list: Vec::new(), relations: Vec::new() };
        let mut places = vec![None; tree.leaves];
        let mut done: Vec<Done> = Vec::new();
        let mut open = vec![(root, false)];
        while let Some((id, inputs_done)) = open.pop() {
            if made.list.len() >= tree.nodes.len() {
                return shape("a join stands above itself".to_owned());
            }
            let from = made.list.len();
            match &tree.nodes[id.0] {
                TreeNode::Leaf(relation) => {
                    let place = made.relations.len();
                    if places[*relation].replace(place).is_some() {
                        return shape(format!("relation {relation} stands in it twice"));
                    }
                    made.relations.push(*relation);
                    let places = place..place + 1;
                    done.push(Done { node: *relation, places, below: from..from, inner: true });
                }
                TreeNode::Join { left, right, .. } if !inputs_done => {
                    open.extend([(id, true), (*right, false), (*left, false)]);
                }
                TreeNode::Join { kind, conditions, .. } => {
                    let (Some(right), Some(left)) = (done.pop(), done.pop()) else { continue };
                    let operator = Operator {
                        kind: *kind,
                        left: left.node,
                        right: right.node,
                        inner: left.inner && right.inner,
                        conditions: Vec::new(),
                        uses: Uses::default(),
                        places: [left.places.clone(), right.places.clone()],
                        below: [left.below.clone(), right.below],
                    };
                    done.push(Done {
                        node: tree.leaves + from,
                        places: left.places.start..right.places.end,
                        below: left.below.start..from + 1,
                        inner: operator.inner && *kind == JoinKind::Inner,
                    });
                    made.list.push(operator.with(conditions, &places)?);
                }
            }
        }
        if made.relations.len() != tree.leaves {
            return shape(format!("{} of {} relations", made.relations.len(), tree.leaves));
        }
        Ok(made)
    }
}

impl Operator {
    fn with(mut self, conditions: &[Condition], places: &[Option<usize>]) -> Result<Self> {
        let all = self.places[LEFT].start..self.places[RIGHT].end;
        let place = |relation: &usize| match places.get(*relation).copied().flatten() {
            Some(place) if all.contains(&place) => Ok(place),
            _ => shape(format!("a condition uses relation {relation}, which is not below it")),
        };
        for condition in conditions {
            let uses = Uses {
                handles: vec![condition.handle],
                places: condition.relations.iter().map(place).collect::<Result<_>>()?,
                rejects: condition.rejects.iter().map(place).collect::<Result<_>>()?,
            };
            self.uses.handles.push(condition.handle);
            self.uses.places.extend(&uses.places);
            self.uses.rejects.extend(&uses.rejects);
            self.conditions.push(uses);
        }
        Ok(self)
    }

    /// Whether a condition is not true where all columns of a range are null.
    fn rejects(&self, range: &Range<usize>) -> bool {
        meets(&self.uses.rejects, range)
    }

    /// What of a side must be there where the other side's rows are: what its conditions use, or
    /// all of the side if they use nothing of it.
    fn needs(&self, side: usize) -> BTreeSet<usize> {
        let used: BTreeSet<usize> =
            self.uses.places.range(self.places[side].clone()).copied().collect();
        if used.is_empty() { self.places[side].clone().collect() } else { used }
    }
}

/// Whether `(1 a 2) b 3` is `1 a (2 b 3)`; `rejects` says of a and of b whether they reject nulls
/// of
/// 2.
fn associates(a: JoinKind, b: JoinKind, rejects: [bool; 2]) -> bool {
    use JoinKind::{Anti, Full, Inner, Left, Mark, Semi};
    match (a, b) {
        (Inner, Inner | Semi | Anti | Left | Mark(_)) => true,
        (Left | Full, Left) => rejects[1],
        (Full, Full) => rejects[0] && rejects[1],
        _ => false,
    }
}

/// Whether `(1 a 2) b 3` is `(1 b 3) a 2`; `rejects` says of a and of b whether they reject nulls
/// of
/// 1.
fn exchanges_left(a: JoinKind, b: JoinKind, rejects: [bool; 2]) -> bool {
    use JoinKind::{Anti, Full, Inner, Left, Mark, Semi, Single};
    match (a, b) {
        (Inner | Semi | Anti | Left | Mark(_), Inner | Semi | Anti | Left | Mark(_))
        | (Single, Left | Mark(_) | Single)
        | (Left | Mark(_), Single) => true,
        (Left, Full) => rejects[0],
        (Full, Left) => rejects[1],
        (Full, Full) => rejects[0] && rejects[1],
        _ => false,
    }
}

/// Whether `1 a (2 b 3)` is `2 b (1 a 3)`; `rejects` says of a and of b whether they reject nulls
/// of
/// 3.
fn exchanges_right(a: JoinKind, b: JoinKind, rejects: [bool; 2]) -> bool {
    match (a, b) {
        (JoinKind::Inner, JoinKind::Inner) => true,
        (JoinKind::Full, JoinKind::Full) => rejects[0] && rejects[1],
        _ => false,
    }
}

/// Edges under construction.
struct Edges<'a> {
    operators: &'a Operators,
    joins: Vec<Edge>,
    products: Vec<Edge>,
}

impl Edges<'_> {
    /// Adds the edges of an operator. `work` is what may still be done; when it is nothing, edges
    /// lack rules.
    fn add(&mut self, position: usize, work: &mut usize) {
        let operator = &self.operators.list[position];
        if operator.kind != JoinKind::Inner {
            let edge = self.edge(operator, &operator.uses, work);
            self.joins.push(edge);
            return;
        }
        for uses in &operator.conditions {
            let edge = self.edge(operator, uses, work);
            self.joins.push(edge);
        }
        if operator.conditions.is_empty() {
            let edge = self.edge(operator, &operator.uses, work);
            self.products.push(edge);
        }
    }

    fn edge(&self, operator: &Operator, uses: &Uses, work: &mut usize) -> Edge {
        let mut all = uses.places.clone();
        let inner = operator.kind == JoinKind::Inner;
        for side in &operator.places {
            if !meets(&all, side) {
                all.extend(side.clone());
                *work = work.saturating_sub(side.len());
            }
        }
        let extended = all.len() > uses.places.len();
        let mut rules = Vec::new();
        if !(inner && operator.inner) {
            self.conflicts(operator, uses, &mut rules, work);
            self.add_marks(operator, &mut all, work);
        }
        let before = all.len();
        absorb(&mut all, &mut rules, work);
        let relations = |places: &mut dyn Iterator<Item = usize>| {
            places.map(|place| self.operators.relations[place]).collect::<Vec<usize>>()
        };
        let side = |side: &Range<usize>| relations(&mut all.range(side.clone()).copied());
        let (left, right) = (side(&operator.places[LEFT]), side(&operator.places[RIGHT]));
        let mut edge = Edge::new(operator.kind, &left, &right, &uses.handles);
        // An inner predicate that nothing holds back may be checked at any join.
        edge.free =
            inner && (operator.inner || (!extended && rules.is_empty() && all.len() == before));
        edge.rules = rules
            .into_iter()
            .map(|(given, needs)| Rule {
                given: relations(&mut given.into_iter()),
                needs: relations(&mut needs.into_iter()),
            })
            .collect();
        edge
    }

    /// Rules of an operator against each operator below it.
    fn conflicts(
        &self,
        operator: &Operator,
        uses: &Uses,
        rules: &mut Vec<(Range<usize>, BTreeSet<usize>)>,
        work: &mut usize,
    ) {
        let upper = |range: &Range<usize>| meets(&uses.rejects, range);
        for side in [LEFT, RIGHT] {
            for below in &self.operators.list[operator.below[side].clone()] {
                *work = work.saturating_sub(1);
                if *work == 0 {
                    return;
                }
                let [left, right] = &below.places;
                // The place in the middle of the two joins, then the place that they would share.
                let (middle, shared) = if side == LEFT { (right, left) } else { (left, right) };
                let order = |range: &Range<usize>| {
                    let (lower, upper) = (below.rejects(range), upper(range));
                    if side == LEFT { [lower, upper] } else { [upper, lower] }
                };
                let (passes, exchanges) = if side == LEFT {
                    (
                        associates(below.kind, operator.kind, order(middle)),
                        exchanges_left(below.kind, operator.kind, order(shared)),
                    )
                } else {
                    (
                        associates(operator.kind, below.kind, order(middle)),
                        exchanges_right(operator.kind, below.kind, order(shared)),
                    )
                };
                let far = 1 - side;
                let mut rule = |given: &Range<usize>, needs: BTreeSet<usize>| {
                    *work = work.saturating_sub(needs.len());
                    rules.push((given.clone(), needs));
                };
                if !passes {
                    rule(middle, below.needs(side));
                }
                if !exchanges {
                    rule(shared, below.needs(far));
                }
            }
        }
    }

    /// What uses the column of a mark join needs all that the mark join needs.
    fn add_marks(&self, operator: &Operator, all: &mut BTreeSet<usize>, work: &mut usize) {
        let below = operator.below[LEFT].start..operator.below[RIGHT].end;
        for mark in self.operators.list[below].iter().rev() {
            *work = work.saturating_sub(1);
            if *work == 0 {
                return;
            }
            if matches!(mark.kind, JoinKind::Mark(_)) && meets(all, &mark.places[RIGHT]) {
                all.extend(mark.needs(LEFT));
                all.extend(mark.needs(RIGHT));
            }
        }
    }
}

/// Adds what rules need for certain, and leaves out the rules that say nothing more. What the
/// nearest operators need often leads to the next: they come first.
fn absorb(
    all: &mut BTreeSet<usize>,
    rules: &mut Vec<(Range<usize>, BTreeSet<usize>)>,
    work: &mut usize,
) {
    rules.reverse();
    loop {
        let before = rules.len();
        *work = work.saturating_sub(before);
        rules.retain(|(given, needs)| {
            if meets(all, given) {
                all.extend(needs);
                return false;
            }
            !needs.is_subset(all)
        });
        if rules.len() == before || *work == 0 {
            break;
        }
    }
    for (given, needs) in rules {
        *work = work.saturating_sub(given.len() + needs.len());
    }
}
