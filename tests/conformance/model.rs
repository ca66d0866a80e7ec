//! Random index sets over one table, and random predicates over indexes of all kinds combined:
//! every answer equals a scan of the table in the same state.

use std::collections::BTreeSet;

use lightning_db_table::index::{RowExpression, RowSet};
use lightning_db_table::{BuildOutcome, TableReader, TableSnapshot, Tables};
use lightning_db_types::Rng;

use crate::kinds::{Ask, KINDS, Kind, pick};
use crate::table::{Case, Rows, TABLE, go_on, scan};

/// Queries of a run, unless `LIGHTNING_INDEX_QUERIES` says another number.
const QUERIES: u64 = 100_000;
/// Queries of one seed.
const QUERIES_OF_SEED: u64 = 2_500;

/// A predicate over indexes.
enum Predicate {
    Ask(&'static Kind, Ask),
    Rows(RowSet),
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
}

impl Predicate {
    fn draw(kinds: &[&'static Kind], case: &Case<'_>, depth: u32) -> Self {
        let rng = &case.source.rng;
        let parts = || (0..rng.below(4)).map(|_| Self::draw(kinds, case, depth - 1)).collect();
        match rng.below(if depth == 0 { 5 } else { 9 }) {
            0 => Self::Rows((0..rng.below(9)).map(|_| row_id(case.source.id())).collect()),
            1..=4 => {
                let kind = kinds[pick(rng, kinds.len())];
                let ask = (kind.ask)(rng);
                Self::Ask(kind, ask)
            }
            5 | 6 => Self::And(parts()),
            7 => Self::Or(parts()),
            _ => Self::Not(Box::new(Self::draw(kinds, case, depth - 1))),
        }
    }

    fn rows(&self, all: &Rows) -> BTreeSet<u64> {
        let ids = || all.iter().map(|(row_id, _)| *row_id).collect::<BTreeSet<u64>>();
        match self {
            Self::Ask(_, ask) => (ask.answer)(all),
            Self::Rows(rows) => rows.iter().collect(),
            Self::And(parts) => parts.iter().fold(ids(), |rows, part| &rows & &part.rows(all)),
            Self::Or(parts) => {
                parts.iter().fold(BTreeSet::new(), |rows, part| &rows | &part.rows(all))
            }
            Self::Not(part) => &ids() - &part.rows(all),
        }
    }

    fn shown(&self) -> String {
        let each = |parts: &[Self]| parts.iter().map(Self::shown).collect::<Vec<_>>().join(", ");
        match self {
            Self::Ask(kind, ask) => format!("{} {:?}", kind.name, ask.query),
            Self::Rows(rows) => format!("{rows:?}"),
            Self::And(parts) => format!("and({})", each(parts)),
            Self::Or(parts) => format!("or({})", each(parts)),
            Self::Not(part) => format!("not({})", part.shown()),
        }
    }

    fn expression<'a>(&self, reader: &TableReader<'a>) -> RowExpression<'a> {
        let each = |parts: &[Self]| parts.iter().map(|part| part.expression(reader)).collect();
        match self {
            Self::Ask(kind, ask) => {
                RowExpression::Index(reader.index(kind.name).unwrap(), ask.query.clone())
            }
            Self::Rows(rows) => RowExpression::Set(rows.clone()),
            Self::And(parts) => RowExpression::And(each(parts)),
            Self::Or(parts) => RowExpression::Or(each(parts)),
            Self::Not(part) => !part.expression(reader),
        }
    }
}

/// Number of the row with a key.
fn row_id(id: i64) -> u64 {
    id.cast_unsigned() ^ 1 << 63
}

/// A table with some of the kinds, and snapshots of it that grow old.
struct Model {
    case: Case<'static>,
    kinds: Vec<&'static Kind>,
    kept: Vec<(TableSnapshot, Vec<&'static Kind>)>,
    queries: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        // Whether rows end, and whether codes are unique, is up to the seed.
        let of_table = KINDS.iter().filter(|kind| kind.is_expiring == (seed % 4 == 3));
        let base = of_table.clone().nth(usize::try_from(seed).unwrap() % of_table.count());
        let case = Case::without_index(base.unwrap(), seed);
        let mut model = Self { case, kinds: Vec::new(), kept: Vec::new(), queries: 0 };
        while model.kinds.len() < 3 {
            model.add_index();
        }
        model
    }

    fn tables(&self) -> &Tables {
        &self.case.tables
    }

    /// Adds an index of a kind that is not there; duplicate codes may refuse a unique one.
    fn add_index(&mut self) {
        let kind = &KINDS[pick(&self.case.source.rng, KINDS.len())];
        if self.kinds.iter().any(|there| there.name == kind.name) {
            return;
        }
        let spec = (kind.make)(kind.name);
        match self.tables().create_index(TABLE, spec, &mut go_on).unwrap() {
            BuildOutcome::Ready { .. } => self.kinds.push(kind),
            BuildOutcome::Duplicates(_) if kind.is_unique => {}
            outcome => panic!("{}: {outcome:?}", kind.name),
        }
    }

    fn drop_index(&mut self) {
        if self.kinds.len() > 2 {
            let kind = self.kinds.swap_remove(pick(&self.case.source.rng, self.kinds.len()));
            self.tables().drop_index(TABLE, kind.name).unwrap();
        }
    }

    fn change(&mut self) {
        let commits = [1, 1, 2, 12][pick(&self.case.source.rng, 4)];
        for _ in 0..commits {
            let mut transaction = self.tables().transaction();
            let refused = !self.case.statement().run(&mut transaction).unwrap();
            assert!(!refused || self.kinds.iter().any(|kind| kind.is_unique));
            assert!(transaction.commit().unwrap().is_committed());
        }
        self.case.world.clock.advance(std::time::Duration::from_millis(700));
        match self.case.source.rng.below(24) {
            0 | 1 => self.case.upkeep(),
            2 => self.tables().store().checkpoint().unwrap(),
            3 => self.tables().store().compact().unwrap(),
            4 | 5 => self.add_index(),
            6 => self.drop_index(),
            _ => {}
        }
    }

    /// Compares some predicates with a scan.
    fn compare(&self, reader: &TableReader<'_>, kinds: &[&'static Kind], count: u64) -> u64 {
        let rows = scan(reader);
        for _ in 0..count {
            let predicate = Predicate::draw(kinds, &self.case, 3);
            let wanted = predicate.rows(&rows);
            let expression = predicate.expression(reader);
            let found = reader.find_all(&expression).unwrap();
            let alike = |found: &RowSet| {
                let there = rows.iter().map(|(row_id, _)| *row_id).collect::<BTreeSet<u64>>();
                // A set may name rows that are not there.
                let found = found.iter().filter(|row_id| there.contains(row_id));
                found.eq(wanted.iter().copied().filter(|row_id| there.contains(row_id)))
            };
            let shown = predicate.shown();
            assert!(alike(&found), "{shown}: {found:?}, not {wanted:?}");
            if self.case.source.rng.one_in(16) {
                let (explained, plan) = reader.explain(&expression).unwrap();
                assert_eq!(explained, found, "{plan}");
            }
        }
        count
    }

    fn round(&mut self) {
        self.change();
        let snapshot = self.tables().snapshot();
        let table = snapshot.table(TABLE).unwrap();
        let asked = self.compare(&snapshot.read(&table).unwrap(), &self.kinds, 12);
        self.queries += asked;
        if self.case.source.rng.one_in(4) {
            self.kept.push((snapshot, self.kinds.clone()));
        }
        if self.kept.len() > 3 {
            let at = pick(&self.case.source.rng, self.kept.len());
            drop(self.kept.swap_remove(at));
        }
        if let Some((snapshot, kinds)) = self.kept.first() {
            let table = snapshot.table(TABLE).unwrap();
            self.queries += self.compare(&snapshot.read(&table).unwrap(), kinds, 6);
        }
        let mut transaction = self.tables().transaction();
        let table = transaction.table(TABLE).unwrap();
        for _ in 0..3 {
            self.case.statement().run(&mut transaction).unwrap();
        }
        self.queries += self.compare(&transaction.read(&table).unwrap(), &self.kinds, 6);
        if self.case.source.rng.one_in(3) {
            assert!(transaction.commit().unwrap().is_committed());
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

#[test]
fn every_predicate_over_indexes_equals_a_scan() {
    let first = number("LIGHTNING_INDEX_SEED").unwrap_or(1);
    let seeds = number("LIGHTNING_INDEX_QUERIES").unwrap_or(QUERIES).div_ceil(QUERIES_OF_SEED);
    let run = |seed: u64| {
        println!(
            "replay: LIGHTNING_INDEX_SEED={seed} LIGHTNING_INDEX_QUERIES=1 cargo test -p \
             lightning-db-tests --test conformance every_predicate"
        );
        let mut model = Model::new(seed);
        while model.queries < QUERIES_OF_SEED {
            model.round();
        }
        model.case.assert_sound();
    };
    (first..first + seeds).for_each(run);
}
