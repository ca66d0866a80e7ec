//! The relations of a query by name and by number.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::catalog::TableId;
use crate::query::{ColumnId, Node, NodeId, Query};

/// A set of relations by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Set {
    words: Vec<u64>,
}

impl Set {
    pub(crate) fn add(&mut self, number: usize) {
        let word = number / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (number % 64);
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    /// Adds the members of another. No word at the end is ever zero, so that equal sets are equal.
    pub(crate) fn extend(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(word, more)| *word |= more);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn within(&self, other: &Self) -> bool {
        self.words.iter().enumerate().all(|(at, word)| word & !other.word(at) == 0)
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.words.iter().enumerate().any(|(at, word)| word & other.word(at) != 0)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = usize> + '_ {
        (0..64 * self.words.len()).filter(|number| self.word(number / 64) >> (number % 64) & 1 == 1)
    }
}

/// The relations of a query, those in subqueries among them.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    list: Vec<Relation>,
    by_scan: HashMap<NodeId, usize, FixedState>,
    by_column: HashMap<ColumnId, usize, FixedState>,
    by_name: HashMap<String, Vec<usize>, FixedState>,
}

#[derive(Debug)]
struct Relation {
    /// The alias, numbered where several have one.
    name: String,
    table: TableId,
}

impl Relations {
    pub(crate) fn new(query: &Query) -> Self {
        let mut made = Self::default();
        let Some(root) = query.root() else { return made };
        let mut scans: Vec<NodeId> = crate::optimize::all_nodes(query, root);
        scans.sort_unstable();
        scans.dedup();
        for id in scans {
            let Node::Scan { table, alias, columns } = query.node(id) else { continue };
            let number = made.list.len();
            made.list.push(Relation { name: alias.to_string(), table: *table });
            made.by_scan.insert(id, number);
            made.by_column.extend(columns.iter().map(|column| (*column, number)));
            made.by_name.entry(alias.to_string()).or_default().push(number);
        }
        let shared = made.by_name.values().filter(|all| all.len() > 1).cloned();
        for all in shared.collect::<Vec<_>>() {
            for (count, number) in all.into_iter().enumerate() {
                let name = format!("{}#{}", made.list[number].name, count + 1);
                made.by_name.insert(name.clone(), vec![number]);
                made.list[number].name = name;
            }
        }
        made
    }

    pub(crate) fn of_scan(&self, node: NodeId) -> Option<usize> {
        self.by_scan.get(&node).copied()
    }

    /// The relation that a column is of.
    pub(crate) fn of_column(&self, column: ColumnId) -> Option<usize> {
        self.by_column.get(&column).copied()
    }

    pub(crate) fn name(&self, number: usize) -> &str {
        &self.list[number].name
    }

    pub(crate) fn table(&self, number: usize) -> TableId {
        self.list[number].table
    }

    /// The relations that a name means; none if there is none of it.
    pub(crate) fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The relations that names mean.
    ///
    /// # Errors
    /// The first name that means none.
    pub(crate) fn set<'n>(&self, names: &'n [String]) -> Result<Set, &'n str> {
        let mut set = Set::default();
        for name in names {
            let numbers = self.named(name);
            if numbers.is_empty() {
                return Err(name);
            }
            for number in numbers {
                set.add(*number);
            }
        }
        Ok(set)
    }

    /// The relations at or below a node, those in scalars apart.
    pub(crate) fn below(&self, query: &Query, node: NodeId) -> Set {
        let mut set = Set::default();
        for id in query.post_order(node) {
            if let Some(number) = self.of_scan(id) {
                set.add(number);
            }
        }
        set
    }
}
