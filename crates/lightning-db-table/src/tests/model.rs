//! Random tables, rows, transactions and changes of tables against a plain model.

use std::collections::BTreeMap;

use lightning_db_index::{BitmapQuery, Expression, IndexKind, IndexQuery, KeyQuery};
use lightning_db_types::{ColumnOrder, Rng};

use super::*;
use crate::{Alteration, Error, TableSnapshot};

type Rows = BTreeMap<i64, Vec<Value>>;

/// Whether a key is one that a query asks for.
type Matches<'a> = Box<dyn Fn(&[Value]) -> bool + 'a>;

/// One table, and what must be in it.
struct Model {
    rng: SeededRng,
    tables: Tables,
    rows: Rows,
    /// Columns behind the key: name and type.
    columns: Vec<(String, ColumnType)>,
    /// Snapshots with what they must see.
    snapshots: Vec<(TableSnapshot, Rows)>,
    next_name: u32,
}

const TYPES: [ColumnType; 4] =
    [ColumnType::I64, ColumnType::Text, ColumnType::F64, ColumnType::Bool];

impl Model {
    fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let tables = World::new().open();
        let mut definition = TableDefinition::new("t")
            .column(ColumnDefinition::new("id", ColumnType::I64))
            .primary_key([0]);
        let mut columns = Vec::new();
        for at in 0..=rng.below(4) {
            let column_type = TYPES[usize::try_from(rng.below(4)).unwrap()];
            let name = format!("c{at}");
            definition = definition.column(ColumnDefinition::new(&name, column_type).nullable());
            columns.push((name, column_type));
        }
        tables.create_table(definition).unwrap();
        let (rows, snapshots) = (Rows::new(), Vec::new());
        Self { rng, tables, rows, columns, snapshots, next_name: 100 }
    }

    fn below(&self, bound: u64) -> usize {
        usize::try_from(self.rng.below(bound)).unwrap()
    }

    /// A value of few: equal ones must meet.
    fn value(&self, column_type: ColumnType) -> Value {
        if self.rng.one_in(5) {
            return Value::Null;
        }
        let number = self.below(8);
        match column_type {
            ColumnType::I64 => Value::I64(i64::try_from(number).unwrap() - 3),
            ColumnType::Text => Value::from(&"aaabbcd\u{e4}"[..number]),
            ColumnType::F64 => {
                Value::F64([-0.0, 0.0, 1.5, -2.5, f64::NAN, 9.0, 1e300, 3.0][number])
            }
            _ => Value::Bool(number.is_multiple_of(2)),
        }
    }

    fn row(&self, id: i64) -> Vec<Value> {
        let values = self.columns.iter().map(|(_, column_type)| self.value(*column_type));
        std::iter::once(id.into()).chain(values).collect()
    }

    /// Some statements in one transaction, of which savepoints take a part back.
    fn transact(&mut self) {
        let table = self.tables.table("t").unwrap();
        let mut transaction = self.tables.transaction();
        let mut rows = self.rows.clone();
        let mut saved = None;
        for _ in 0..=self.below(6) {
            let id = self.rng.below(40).cast_signed() - 20;
            let key = [Value::from(id)];
            let row = self.row(id);
            match self.below(7) {
                0 | 1 => match transaction.insert(&table, row.clone()) {
                    Ok(_) => assert_eq!(rows.insert(id, row), None),
                    Err(Error::Duplicate { .. }) => assert!(rows.contains_key(&id)),
                    Err(Error::Unique { .. }) => {}
                    Err(error) => panic!("{error}"),
                },
                2 | 3 => match transaction.upsert(&table, row.clone()) {
                    Ok(_) => drop(rows.insert(id, row)),
                    Err(Error::Unique { .. }) => {}
                    Err(error) => panic!("{error}"),
                },
                4 => {
                    let found = transaction.delete(&table, &key).unwrap();
                    assert_eq!(found, rows.remove(&id).is_some());
                }
                5 => {
                    let at = self.below(self.columns.len() as u64);
                    let (name, column_type) = &self.columns[at];
                    let value = self.value(*column_type);
                    match transaction.patch(&table, &key, [(&**name, value.clone())]) {
                        Ok(found) => {
                            assert_eq!(found, rows.contains_key(&id));
                            if let Some(row) = rows.get_mut(&id) {
                                row[at + 1] = value;
                            }
                        }
                        Err(Error::Unique { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                _ => match saved.take() {
                    Some((savepoint, then)) => {
                        transaction.rollback_to(savepoint).unwrap();
                        rows = then;
                    }
                    None => saved = Some((transaction.savepoint(), rows.clone())),
                },
            }
            if self.rng.one_in(4) {
                self.compare(&transaction.read(&table).unwrap(), &rows);
            }
        }
        if self.rng.one_in(5) {
            transaction.rollback();
        } else {
            assert!(transaction.commit().unwrap().is_committed());
            self.rows = rows;
        }
    }

    fn change_table(&mut self) {
        let table = self.tables.table("t").unwrap();
        let indexes: Vec<String> =
            table.indexes().map(|(index, _)| index.definition().name.clone()).collect();
        self.next_name += 1;
        let name = format!("c{}", self.next_name);
        match self.below(5) {
            0 if self.columns.len() < 6 => {
                let column_type = TYPES[self.below(4)];
                let column = ColumnDefinition::new(&name, column_type).nullable();
                let default = self.value(column_type);
                let column =
                    if default.is_null() { column } else { column.with_default(default.clone()) };
                self.tables.alter_table("t", Alteration::AddColumn(column)).unwrap();
                self.rows.values_mut().for_each(|row| row.push(default.clone()));
                self.columns.push((name, column_type));
            }
            1 if self.columns.len() > 1 => {
                let at = self.below(self.columns.len() as u64);
                let dropped = self.columns[at].0.clone();
                let outcome = self.tables.alter_table("t", Alteration::DropColumn(dropped));
                if outcome.is_ok() {
                    self.columns.remove(at);
                    self.rows.values_mut().for_each(|row| drop(row.remove(at + 1)));
                }
            }
            2 if !indexes.is_empty() => {
                let dropped = &indexes[self.below(indexes.len() as u64)];
                self.tables.drop_index("t", dropped).unwrap();
            }
            _ if indexes.len() < 5 => self.create_index(&name),
            _ => {}
        }
    }

    fn create_index(&self, name: &str) {
        let table = self.tables.table("t").unwrap();
        let id = |at: usize| table.column_id(&self.columns[at].0).unwrap();
        let pick = || self.below(self.columns.len() as u64);
        let (first, second) = (id(pick()), id(pick()));
        let order = [ColumnOrder::ASCENDING, ColumnOrder::DESCENDING][self.below(2)];
        let spec = match self.below(5) {
            0 => IndexSpec::hash(name).column(first),
            1 => IndexSpec::bitmap(name).column(first),
            2 => IndexSpec::unique(name).column(first).column(second),
            3 => IndexSpec::ordered(name).part(Expression::column(first), order).include([second]),
            _ => IndexSpec::ordered(name).column(first).part(Expression::column(second), order),
        };
        let partial = Expression::column(second).is_not_null();
        let spec = if self.rng.one_in(3) { spec.condition(partial) } else { spec };
        let outcome = self.tables.create_index("t", spec.clone(), &mut go_on).unwrap();
        let unique = crate::kinds::is_unique(&spec.kind);
        match outcome {
            BuildOutcome::Ready { .. } => {}
            BuildOutcome::Duplicates(_) if unique => {}
            outcome => panic!("{outcome:?}"),
        }
    }

    /// Compares rows, and every index with a scan, for a key that some row has.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn compare(&self, reader: &crate::TableReader<'_>, rows: &Rows) {
        let found: Vec<_> = reader.scan().map(Result::unwrap).collect();
        let values: Vec<Vec<Value>> = found.iter().map(crate::Row::values).collect();
        assert_eq!(values, rows.values().cloned().collect::<Vec<_>>());
        for (index, state) in (Table { state: Arc::clone(reader.table) }).indexes() {
            let definition = index.definition();
            assert_eq!(state, crate::IndexState::Ready);
            let Some(like) = found.get(self.below(found.len().max(1) as u64)) else { continue };
            let held = |row: &crate::Row| {
                let condition = definition.condition.as_ref();
                condition.is_none_or(|condition| condition.is_true(row).unwrap())
            };
            let key_of = |row: &crate::Row| -> Vec<Value> {
                let parts = definition.parts.iter();
                parts.map(|part| part.expression.evaluate(row).unwrap()).collect()
            };
            let key = key_of(like);
            let (query, matches): (_, Matches<'_>) = match (&definition.kind, self.rng.one_in(2)) {
                (IndexKind::Bitmap(_), _) if key[0].is_null() => {
                    let query = IndexQuery::Bitmap(BitmapQuery::IsNull);
                    (query, Box::new(|of: &[Value]| of[0].is_null()))
                }
                (IndexKind::Bitmap(_), _) => {
                    let query = BitmapQuery::equal(key[0].clone());
                    (IndexQuery::Bitmap(query), Box::new(|of: &[Value]| of[0] == key[0]))
                }
                // A range of the last part, behind equal first ones; it holds no nulls.
                (IndexKind::Ordered(_), true) if !key.last().unwrap().is_null() => {
                    let (last, first) = key.split_last().unwrap();
                    let query = KeyQuery::equal(first.to_vec()).range(last.clone()..);
                    let matches = move |of: &[Value]| {
                        let (of_last, of_first) = of.split_last().unwrap();
                        of_first == first && of_last >= last && !of_last.is_null()
                    };
                    (IndexQuery::Key(query), Box::new(matches))
                }
                _ => (crate::kinds::equal(key.clone()), Box::new(|of: &[Value]| of == key)),
            };
            let expected = found.iter().filter(|row| held(row) && matches(&key_of(row)));
            let expected: Vec<u64> = expected.map(crate::Row::row_id).collect();
            let answer = reader.find(&definition.name, &query).unwrap();
            assert_eq!(
                answer.iter().collect::<Vec<u64>>(),
                expected,
                "{definition:?} for {query:?}"
            );
            let estimate = reader.estimate_find(&definition.name, &query).unwrap();
            if estimate.exact {
                assert!((estimate.point - answer.len() as f64).abs() < 0.5, "{query:?}");
            }
        }
    }

    fn compare_snapshots(&mut self) {
        if self.rng.one_in(3) {
            self.snapshots.push((self.tables.snapshot(), self.rows.clone()));
        }
        if self.snapshots.len() > 3 {
            let at = self.below(4);
            self.snapshots.swap_remove(at);
        }
        for (snapshot, rows) in &self.snapshots {
            let table = snapshot.table("t").unwrap();
            self.compare(&snapshot.read(&table).unwrap(), rows);
        }
    }
}

use crate::Table;

#[test]
fn every_answer_equals_a_scan_of_the_model() {
    let first = seed(1);
    let given = std::env::var("LIGHTNING_MODELS").ok().and_then(|count| count.parse().ok());
    for seed in first..first + given.unwrap_or(12) {
        println!("model with LIGHTNING_SEED={seed}");
        let mut model = Model::new(seed);
        for step in 0..60 {
            match step % 6 {
                5 => model.change_table(),
                _ => model.transact(),
            }
            if step % 20 == 19 {
                model.tables.upkeep().unwrap();
                model.tables.store().maintain().unwrap();
            }
            model.compare_snapshots();
        }
        assert_sound(&model.tables);
    }
}
