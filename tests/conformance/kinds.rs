//! The kinds of indexes: how each is made, what it is asked, and what it must answer.

mod native;
mod places;
mod sets;
mod words;

pub(crate) use places::place;

use std::collections::BTreeSet;

use lightning_db_table::index::{IndexQuery, Reader};
use lightning_db_table::{IndexSpec, TableReader, Value};
use lightning_db_types::{Rng, SeededRng};

use crate::table::Rows;

/// All kinds. One line makes every law apply to another one.
pub(crate) const KINDS: [Kind; 16] = [
    Kind::new("composite", native::composite, native::ask_composite),
    Kind::new("unique", native::unique, native::ask_code).unique(),
    Kind::new("covering", native::covering, native::ask_number).probed(native::covers),
    Kind::new("partial", native::partial, native::ask_partial),
    Kind::new("expression", native::expression, native::ask_lower_name),
    Kind::new("hash", native::hash, native::ask_name),
    Kind::new("hash-unique", native::hash_unique, native::ask_whole_code).unique(),
    Kind::new("bitmap", sets::values, sets::ask),
    Kind::new("bitmap-slices", sets::slices, sets::ask),
    Kind::new("plane", places::plane, places::ask_plane),
    Kind::new("sphere", places::sphere, places::ask_sphere),
    Kind::new("text", words::text, words::ask),
    Kind::new("bloom", native::bloom, native::ask_name).probed(native::may_contain_all),
    Kind::new("expiring-composite", native::composite, native::ask_composite).expiring(),
    Kind::new("expiring-plane", places::plane, places::ask_plane).expiring(),
    Kind::new("expiring-unique", native::unique, native::ask_code).unique().expiring(),
];

/// Makes the index under a name.
pub(crate) type Make = fn(&str) -> IndexSpec;

/// Draws something to ask the index.
pub(crate) type Draw = fn(&SeededRng) -> Ask;

/// What must hold of the index besides its answers.
pub(crate) type Probe = fn(&TableReader<'_>, &str, &Rows);

/// A kind of index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) make: Make,
    pub(crate) ask: Draw,
    pub(crate) probe: Option<Probe>,
    /// Whether two rows may not have one code.
    pub(crate) is_unique: bool,
    /// Whether the rows of its table end at a time of their own.
    pub(crate) is_expiring: bool,
}

impl Kind {
    const fn new(name: &'static str, make: Make, ask: Draw) -> Self {
        Self { name, make, ask, probe: None, is_unique: false, is_expiring: false }
    }

    const fn unique(self) -> Self {
        Self { is_unique: true, ..self }
    }

    const fn expiring(self) -> Self {
        Self { is_expiring: true, ..self }
    }

    const fn probed(self, probe: Probe) -> Self {
        Self { probe: Some(probe), ..self }
    }
}

/// Finds the rows that answer a question among all.
type Answer = Box<dyn Fn(&Rows) -> BTreeSet<u64>>;

/// A question, and the rows that answer it.
pub(crate) struct Ask {
    pub(crate) query: IndexQuery,
    pub(crate) answer: Answer,
}

impl Ask {
    /// A question that each row answers for itself.
    pub(crate) fn rows_where(
        query: IndexQuery,
        holds: impl Fn(&[Value]) -> bool + 'static,
    ) -> Self {
        let answer = move |rows: &Rows| {
            let found = rows.iter().filter(|(_, row)| holds(row));
            found.map(|(row_id, _)| *row_id).collect()
        };
        Self { query, answer: Box::new(answer) }
    }
}

/// A number below a bound.
pub(crate) fn pick(rng: &SeededRng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

/// The index of a reader, by name, with what it reads from.
pub(crate) fn index_of<'a>(
    reader: &TableReader<'a>,
    name: &str,
) -> (&'a lightning_db_table::index::Index, Reader<'a>) {
    (reader.index(name).unwrap(), reader.reader())
}
