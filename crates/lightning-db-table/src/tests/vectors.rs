//! Reading rows column by column.

use super::*;
use crate::{Alteration, VectorValues};

#[test]
fn batches_hold_the_columns_of_all_rows_in_order() {
    let tables = World::new().open();
    tables.create_table(people()).unwrap();
    let rows = |from: i64, to: i64| {
        let score = |id: i64| (id % 3 != 0).then_some(id * 2);
        (from..to).map(|id| person(id, &format!("p{id}"), score(id))).collect::<Vec<_>>()
    };
    tables.insert_many("people", rows(0, 150)).unwrap();
    // Rows from before an altered table are read with its default.
    let city = ColumnDefinition::new("city", ColumnType::Text).with_default("Bern");
    tables.alter_table("people", Alteration::AddColumn(city)).unwrap();
    tables.insert_many("people", rows(150, 300)).unwrap();
    let snapshot = tables.snapshot();
    let table = snapshot.table("people").unwrap();
    let mut next = 0_i64;
    let mut sizes = Vec::new();
    let reader = snapshot.read(&table).unwrap();
    reader
        .scan_vectors(&["score", "name", "city"], 128, &mut |batch| {
            sizes.push(batch.row_ids.len());
            let [score, name, city] = &batch.columns[..] else { panic!("{batch:?}") };
            let (VectorValues::I64(scores), VectorValues::Text { ends, bytes }) =
                (&score.values, &name.values)
            else {
                panic!("{batch:?}");
            };
            let mut start = 0;
            for row in 0..batch.row_ids.len() {
                assert_eq!(score.is_valid(row), next % 3 != 0);
                assert_eq!(scores[row], if next % 3 == 0 { 0 } else { next * 2 });
                let end = usize::try_from(ends[row]).unwrap();
                assert_eq!(bytes[start..end], *format!("p{next}").as_bytes());
                assert!(city.is_valid(row));
                start = end;
                next += 1;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!((next, sizes), (300, vec![128, 128, 44]));
    assert!(reader.scan_vectors(&["nothing"], 8, &mut |_| Ok(())).is_err());
}
