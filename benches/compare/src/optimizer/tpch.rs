//! The TPC-H tables: their definitions, their rows from `tpchgen`, and a catalog over their
//! statistics.

use std::fmt::Display;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use lightning_db_optimizer::{
    Catalog, ColumnDefinition, ForeignKey, StatisticsBuilder, TableDefinition, TableId,
    TableStatistics,
};
use lightning_db_types::{Decimal, Value, ValueType};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

/// Rows that a page is taken to hold.
const PAGE_ROWS: u64 = 80;

/// Name, columns with types (`i`, `d` decimal, `D` date, `t` text), primary key.
const TABLES: [(&str, &str, &str); 8] = [
    ("region", "r_regionkey:i r_name:t r_comment:t", "r_regionkey"),
    ("nation", "n_nationkey:i n_name:t n_regionkey:i n_comment:t", "n_nationkey"),
    (
        "supplier",
        "s_suppkey:i s_name:t s_address:t s_nationkey:i s_phone:t s_acctbal:d s_comment:t",
        "s_suppkey",
    ),
    (
        "customer",
        "c_custkey:i c_name:t c_address:t c_nationkey:i c_phone:t c_acctbal:d c_mktsegment:t \
         c_comment:t",
        "c_custkey",
    ),
    (
        "part",
        "p_partkey:i p_name:t p_mfgr:t p_brand:t p_type:t p_size:i p_container:t \
         p_retailprice:d p_comment:t",
        "p_partkey",
    ),
    (
        "partsupp",
        "ps_partkey:i ps_suppkey:i ps_availqty:i ps_supplycost:d ps_comment:t",
        "ps_partkey ps_suppkey",
    ),
    (
        "orders",
        "o_orderkey:i o_custkey:i o_orderstatus:t o_totalprice:d o_orderdate:D \
         o_orderpriority:t o_clerk:t o_shippriority:i o_comment:t",
        "o_orderkey",
    ),
    (
        "lineitem",
        "l_orderkey:i l_partkey:i l_suppkey:i l_linenumber:i l_quantity:i l_extendedprice:d \
         l_discount:d l_tax:d l_returnflag:t l_linestatus:t l_shipdate:D l_commitdate:D \
         l_receiptdate:D l_shipinstruct:t l_shipmode:t l_comment:t",
        "l_orderkey l_linenumber",
    ),
];

/// Columns, and those that they refer to.
const REFERENCES: [(&str, &str); 9] = [
    ("n_regionkey", "r_regionkey"),
    ("s_nationkey", "n_nationkey"),
    ("c_nationkey", "n_nationkey"),
    ("ps_partkey", "p_partkey"),
    ("ps_suppkey", "s_suppkey"),
    ("o_custkey", "c_custkey"),
    ("l_orderkey", "o_orderkey"),
    ("l_partkey l_suppkey", "ps_partkey ps_suppkey"),
    ("l_suppkey", "s_suppkey"),
];

/// The eight tables: what the optimizer knows of them.
#[derive(Debug)]
pub(crate) struct Tpch {
    definitions: Vec<Arc<TableDefinition>>,
    statistics: Vec<Arc<TableStatistics>>,
}

impl Catalog for Tpch {
    fn table(&self, name: &str) -> Option<TableId> {
        let place = self.definitions.iter().position(|it| it.name == name)?;
        Some(TableId(u32::try_from(place).ok()?))
    }

    fn table_names(&self) -> Vec<String> {
        self.definitions.iter().map(|it| it.name.clone()).collect()
    }

    fn definition(&self, table: TableId) -> Arc<TableDefinition> {
        Arc::clone(&self.definitions[table.0 as usize])
    }

    fn statistics(&self, table: TableId) -> Option<Arc<TableStatistics>> {
        Some(Arc::clone(&self.statistics[table.0 as usize]))
    }

    fn version(&self) -> u64 {
        1
    }
}

impl Tpch {
    /// Makes the tables of a scale factor, collects their statistics, and hands each row to `keep`
    /// with its table's definition.
    ///
    /// # Errors
    ///
    /// When a row cannot be read or kept.
    pub(crate) fn generate(
        scale: f64,
        seed: u64,
        keep: &mut dyn FnMut(&TableDefinition, &[Value]) -> Result<()>,
    ) -> Result<Self> {
        let definitions = definitions();
        let mut statistics = Vec::new();
        for definition in &definitions {
            let mut builder = StatisticsBuilder::new(definition, seed);
            rows(&definition.name, scale, &mut |line| {
                let row = parse(definition, line)?;
                builder.add(&row);
                keep(definition, &row)
            })?;
            let pages = builder.rows().div_ceil(PAGE_ROWS);
            statistics.push(Arc::new(builder.finish(pages)));
        }
        let definitions = definitions.into_iter().map(Arc::new).collect();
        Ok(Self { definitions, statistics })
    }
}

/// The definitions of all tables.
pub(crate) fn definitions() -> Vec<TableDefinition> {
    let mut definitions: Vec<TableDefinition> = TABLES.iter().map(definition).collect();
    let find = |definitions: &[TableDefinition], names: &str| {
        let names: Vec<&str> = names.split(' ').collect();
        definitions.iter().enumerate().find_map(|(table, definition)| {
            let place = |name: &&str| definition.columns.iter().position(|it| it.name == *name);
            let columns = names.iter().map(place).collect::<Option<Vec<usize>>>()?;
            Some((table, columns))
        })
    };
    for (from, to) in REFERENCES {
        let found = (find(&definitions, from), find(&definitions, to));
        if let (Some((table, columns)), Some((other, referenced))) = found {
            let references = TableId(u32::try_from(other).unwrap_or(u32::MAX));
            let key = ForeignKey { columns, references, referenced };
            definitions[table].foreign_keys.push(key);
        }
    }
    definitions
}

fn definition((name, columns, key): &(&str, &str, &str)) -> TableDefinition {
    let columns: Vec<ColumnDefinition> = columns
        .split_whitespace()
        .filter_map(|column| column.split_once(':'))
        .map(|(name, value_type)| ColumnDefinition {
            name: name.to_owned(),
            value_type: match value_type {
                "i" => ValueType::I64,
                "d" => ValueType::Decimal,
                "D" => ValueType::Date,
                _ => ValueType::Text,
            },
            nullable: false,
        })
        .collect();
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let keys = vec![key.split(' ').filter_map(place).collect()];
    let name = (*name).to_owned();
    TableDefinition { name, columns, keys, foreign_keys: Vec::new(), indexes: Vec::new() }
}

/// Hands each row of a table to `take`, as a line with bars between the columns.
///
/// # Errors
///
/// The first error of `take`.
pub(crate) fn rows(
    table: &str,
    scale: f64,
    take: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    fn all<T: Display>(
        rows: impl Iterator<Item = T>,
        take: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let mut line = String::new();
        for row in rows {
            line.clear();
            std::fmt::Write::write_fmt(&mut line, format_args!("{row}"))?;
            take(&line)?;
        }
        Ok(())
    }
    match table {
        "region" => all(RegionGenerator::new(scale, 1, 1).iter(), take),
        "nation" => all(NationGenerator::new(scale, 1, 1).iter(), take),
        "supplier" => all(SupplierGenerator::new(scale, 1, 1).iter(), take),
        "customer" => all(CustomerGenerator::new(scale, 1, 1).iter(), take),
        "part" => all(PartGenerator::new(scale, 1, 1).iter(), take),
        "partsupp" => all(PartSuppGenerator::new(scale, 1, 1).iter(), take),
        "orders" => all(OrderGenerator::new(scale, 1, 1).iter(), take),
        _ => all(LineItemGenerator::new(scale, 1, 1).iter(), take),
    }
}

/// The values of a line with bars between the columns.
///
/// # Errors
///
/// When a field is not of its column's type.
pub(crate) fn parse(definition: &TableDefinition, line: &str) -> Result<Vec<Value>> {
    let mut fields = line.split('|');
    let row = definition.columns.iter().map(|column| {
        let field = fields.next().with_context(|| format!("no {} in {line}", column.name))?;
        Ok(match column.value_type {
            ValueType::I64 => Value::I64(field.parse()?),
            ValueType::Decimal => {
                let cents: i128 = field.replace('.', "").parse()?;
                Value::Decimal(Decimal::new(cents, 2)?)
            }
            ValueType::Date => date(field)?,
            _ => Value::from(field),
        })
    });
    row.collect()
}

/// A day written as `1995-03-15`.
///
/// # Errors
///
/// When it is not written so.
pub(crate) fn date(text: &str) -> Result<Value> {
    let parts: Vec<i32> = text.split('-').map(str::parse).collect::<Result<_, _>>()?;
    ensure!(parts.len() == 3, "{text} is no day");
    // Days from 1970, by counting years from March (H. Hinnant, "chrono-compatible low-level date
    // algorithms").
    let (month, day) = (parts[1], parts[2]);
    let year = if month <= 2 { parts[0] - 1 } else { parts[0] };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    Ok(Value::Date(era * 146_097 + days - 719_468))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_1970() {
        let days = |text| date(text).unwrap();
        assert_eq!(days("1970-01-01"), Value::Date(0));
        assert_eq!(days("1995-03-15"), Value::Date(9_204));
        assert_eq!(days("1998-12-31"), Value::Date(10_591));
    }

    #[test]
    fn the_smallest_tables_have_their_rows_and_keys() {
        let mut rows = 0_u64;
        let tpch = Tpch::generate(0.001, 1, &mut |_, _| {
            rows += 1;
            Ok(())
        })
        .unwrap();
        let counted: u64 = tpch.statistics.iter().map(|it| it.rows).sum();
        assert_eq!(counted, rows);
        let orders = tpch.table("orders").unwrap();
        assert_eq!(tpch.statistics(orders).unwrap().rows, 1_500);
        let lineitem = tpch.definition(tpch.table("lineitem").unwrap());
        assert_eq!(lineitem.foreign_keys.len(), 3);
        assert_eq!(lineitem.keys, [vec![0, 3]]);
    }
}
