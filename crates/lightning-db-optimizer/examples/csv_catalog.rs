//! A catalog from CSV, a query over it, and the plan: the optimizer alone, without an engine.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use lightning_db_optimizer::build::{AggregateTerm, column};
use lightning_db_optimizer::types::ValueType;
use lightning_db_optimizer::{
    Catalog, ColumnDefinition, ColumnStatistics, IndexDefinition, IndexKind, JoinType,
    MemoryCatalog, Optimizer, Plan, QueryBuilder, TableStatistics,
};

/// One line for each column: table, rows, column, type, distinct values, index.
const CATALOG: &str = "\
city,20000,id,int,20000,clustered
city,20000,name,text,19000,ordered
person,3000000,id,int,3000000,clustered
person,3000000,city,int,20000,ordered
person,3000000,age,int,100,
";

fn read(text: &str) -> Result<MemoryCatalog, Box<dyn Error>> {
    let mut catalog = MemoryCatalog::new();
    let mut statistics: BTreeMap<_, TableStatistics> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [table, rows, name, value_type, distinct, index] = fields[..] else {
            return Err(format!("not six fields: {line}").into());
        };
        let table = match catalog.table(table) {
            Some(known) => known,
            None => catalog.add_table(table, &[], &[])?,
        };
        let value_type = match value_type {
            "int" => ValueType::I64,
            "text" => ValueType::Text,
            other => return Err(format!("no type is called {other}").into()),
        };
        let known = statistics.entry(table).or_default();
        let position = known.columns.len();
        (known.rows, known.pages) = (rows.parse()?, rows.parse::<u64>()? / 50);
        let distinct = distinct.parse()?;
        known.columns.push(ColumnStatistics { distinct, width: 8.0, ..Default::default() });
        let kind = match index {
            "clustered" => Some(IndexKind::Clustered),
            "ordered" => Some(IndexKind::Ordered),
            _ => None,
        };
        catalog.change(table, |definition| {
            let index = kind.map(|kind| IndexDefinition::new(name, kind, &[position]));
            definition.indexes.extend(index);
            let name = name.to_owned();
            definition.columns.push(ColumnDefinition { name, value_type, nullable: false });
        });
    }
    for (table, known) in statistics {
        catalog.set_statistics(table, known);
    }
    Ok(catalog)
}

/// The plan of: how many people over 30 live in Oslo, by age?
pub(crate) fn plan() -> Result<Plan, Box<dyn Error>> {
    let catalog = read(CATALOG)?;
    let people = QueryBuilder::scan("person", "p");
    let query = QueryBuilder::scan("city", "c")
        .join(JoinType::Inner, people, column("p.city").equal(column("c.id")))
        .filter(column("c.name").equal("Oslo").and(column("p.age").greater(30)))
        .aggregate(["p.age"], [("people", AggregateTerm::count_rows())])
        .build(&catalog)?;
    Ok(Optimizer::default().optimize(&query, &catalog)?)
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    writeln!(std::io::stdout(), "{}", plan()?.explain().with_rejected())?;
    Ok(())
}
