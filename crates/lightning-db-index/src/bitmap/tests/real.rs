//! Real bitmaps through the index.

use lightning_db_types::Value;

use super::*;
use crate::reader::Reader;
use crate::row_set::RowSet;
use crate::row_set::tests::real_sets;

#[test]
fn real_bitmaps_come_out_of_the_index_as_they_went_in() {
    for name in real_sets::NAMES {
        let Some(sets) = real_sets::read(name) else {
            println!("skipped: no data");
            continue;
        };
        let table = TestTable::new(values());
        let bitmap = table.index.as_bitmap().unwrap();
        // Each import writes the set of all rows anew: some of the sets are enough here.
        let sets: Vec<RowSet> = sets
            .into_iter()
            .step_by(5)
            .map(|rows| rows.into_iter().map(u64::from).collect())
            .collect();
        for (value, rows) in sets.iter().enumerate() {
            let mut transaction = table.store.transaction();
            bitmap.import(&mut transaction, &Value::U64(value as u64), rows).unwrap();
            assert!(transaction.commit().unwrap().is_committed());
        }
        let snapshot = table.store.snapshot();
        let reader = Reader::Snapshot(&snapshot);
        let all = RowSet::union(&sets);
        let equal = |value: usize| BitmapQuery::equal(value as u64);
        let rows = |query: BitmapQuery| table.find_at(&snapshot, &IndexQuery::Bitmap(query));
        assert_eq!(rows(BitmapQuery::All), all);
        assert_eq!(rows(BitmapQuery::range::<u64>(..)), all);
        for at in 0..sets.len() - 1 {
            let (left, right) = (&sets[at], &sets[at + 1]);
            assert_eq!(bitmap.count(reader, &equal(at)).unwrap(), left.len());
            assert_eq!(rows(BitmapQuery::And(vec![equal(at), equal(at + 1)])), left.and(right));
            assert_eq!(rows(BitmapQuery::Or(vec![equal(at), equal(at + 1)])), left.or(right));
            assert_eq!(rows(!equal(at)), all.and_not(left));
            let bytes = bitmap.export(reader, &Value::U64(at as u64)).unwrap();
            assert_eq!(&RowSet::from_portable_64(&bytes).unwrap(), left);
        }
    }
}
