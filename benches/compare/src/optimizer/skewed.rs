//! A load that statistics misjudge: values that hang together, and rows of which a few have most.
//!
//! A city lies in one country, a brand is of one category: conditions on both are one. One shopper
//! in fifty buys for a shop, and these have most purchases and the largest ones; most of what is
//! sold is of one category, and what comes back is of another. None of that is in the statistics of
//! one column.

mod load;

use anyhow::{Context as _, Result};
use lightning_db_optimizer::{
    Catalog, ColumnDefinition, ForeignKey, MemoryCatalog, StatisticsBuilder, TableDefinition,
};
use lightning_db_types::{Rng as _, SeededRng, Value, ValueType};

pub(crate) use load::LOAD;

/// Rows that a page is taken to hold.
const PAGE_ROWS: u64 = 80;

/// Name, columns of whole numbers of which the first is the key, and those that refer to the keys
/// of other tables.
type Table = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const TABLES: [Table; 5] = [
    ("shopper", &["s_id", "s_country", "s_city", "s_kind"], &[]),
    ("article", &["a_id", "a_category", "a_brand", "a_size"], &[]),
    ("purchase", &["p_id", "p_shopper", "p_day", "p_state"], &[("p_shopper", "shopper")]),
    (
        "piece",
        &["i_id", "i_purchase", "i_article", "i_count"],
        &[("i_purchase", "purchase"), ("i_article", "article")],
    ),
    ("claim", &["k_id", "k_piece", "k_reason", "k_day"], &[("k_piece", "piece")]),
];

const COUNTRIES: u64 = 20;
const CITIES_EACH: u64 = 25;
const CATEGORIES: u64 = 20;
const BRANDS_EACH: u64 = 20;
const DAYS: u64 = 700;
/// The category that is sold most, and the one that comes back.
const SOLD: u64 = 0;
const RETURNED: u64 = 7;

/// How many rows of the tables are drawn; those of the others follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    shoppers: u64,
    articles: u64,
    purchases: u64,
}

impl Size {
    /// Of a thousand purchases and multiples of it.
    pub(crate) fn thousands(count: u64) -> Self {
        Self { shoppers: 200 * count, articles: 100 * count, purchases: 1_000 * count }
    }
}

/// The definitions of all tables, in the order of their identifiers.
///
/// # Errors
///
/// Does not happen: every reference is to a table before it.
pub(crate) fn definitions() -> Result<Vec<TableDefinition>> {
    let mut catalog = MemoryCatalog::new();
    let mut made = Vec::new();
    for (name, columns, references) in TABLES {
        let foreign = references.iter().map(|(column, table)| {
            let own = columns.iter().position(|known| known == column);
            let columns = vec![own.with_context(|| format!("no column {column}"))?];
            let references = catalog.table(table).with_context(|| format!("no table {table}"))?;
            Ok(ForeignKey { columns, references, referenced: vec![0] })
        });
        let foreign_keys = foreign.collect::<Result<Vec<_>>>()?;
        let columns = columns.iter().map(|name| ColumnDefinition {
            name: (*name).to_owned(),
            value_type: ValueType::I64,
            nullable: false,
        });
        let definition = TableDefinition {
            name: name.to_owned(),
            columns: columns.collect(),
            keys: vec![vec![0]],
            foreign_keys,
            indexes: Vec::new(),
        };
        catalog.add(definition.clone());
        made.push(definition);
    }
    Ok(made)
}

/// Makes the rows, hands each to `keep` with its table's definition, and gives a catalog with
/// statistics of them.
///
/// # Errors
///
/// When a row cannot be kept.
pub(crate) fn generate(
    size: Size,
    seed: u64,
    keep: &mut dyn FnMut(&TableDefinition, &[Value]) -> Result<()>,
) -> Result<MemoryCatalog> {
    let mut catalog = MemoryCatalog::new();
    let rows = Rows::new(size, &SeededRng::new(seed));
    for (definition, rows) in definitions()?.into_iter().zip(rows.of_tables()) {
        let mut statistics = StatisticsBuilder::new(&definition, seed);
        for row in rows {
            let row = row.map(|value| Value::I64(i64::try_from(value).unwrap_or(i64::MAX)));
            statistics.add(&row);
            keep(&definition, &row)?;
        }
        let pages = statistics.rows().div_ceil(PAGE_ROWS);
        let table = catalog.add(definition);
        catalog.set_statistics(table, statistics.finish(pages));
    }
    Ok(catalog)
}

/// The rows of all tables.
#[derive(Debug, Default)]
struct Rows {
    shoppers: Vec<[u64; 4]>,
    articles: Vec<[u64; 4]>,
    purchases: Vec<[u64; 4]>,
    pieces: Vec<[u64; 4]>,
    claims: Vec<[u64; 4]>,
}

fn number<T>(rows: &[T]) -> u64 {
    rows.len() as u64
}

/// One of some rows.
fn one_of(rows: &[u64], rng: &SeededRng) -> u64 {
    let place = usize::try_from(rng.below(number(rows).max(1))).unwrap_or(0);
    rows.get(place).copied().unwrap_or(0)
}

/// A number below a limit, small ones most often.
fn small(limit: u64, rng: &SeededRng) -> u64 {
    rng.below(1 + rng.below(limit))
}

impl Rows {
    fn new(size: Size, rng: &SeededRng) -> Self {
        let mut rows = Self::default();
        let (mut shops, mut sold) = (Vec::new(), Vec::new());
        for id in 0..size.shoppers {
            let country = small(COUNTRIES, rng);
            let city = country * CITIES_EACH + small(CITIES_EACH, rng);
            let shop = rng.one_in(50);
            let kind = if shop { 1 } else { 2 + rng.below(3) };
            shops.extend(shop.then_some(id));
            rows.shoppers.push([id, country, city, kind]);
        }
        for id in 0..size.articles {
            let category = id % CATEGORIES;
            let brand = category * BRANDS_EACH + small(BRANDS_EACH, rng);
            sold.extend((category == SOLD).then_some(id));
            rows.articles.push([id, category, brand, rng.below(10)]);
        }
        for id in 0..size.purchases {
            let of_shop = rng.below(10) < 6;
            let shopper =
                if of_shop { one_of(&shops, rng) } else { rng.below(size.shoppers.max(1)) };
            let state = if of_shop { 3 } else { rng.below(3) };
            rows.purchases.push([id, shopper, rng.below(DAYS), state]);
            for _ in 0..=rng.below(if of_shop { 5 } else { 2 }) {
                let hot = rng.below(10) < 7;
                let article =
                    if hot { one_of(&sold, rng) } else { rng.below(size.articles.max(1)) };
                rows.add_piece(id, article, rng);
            }
        }
        rows
    }

    fn add_piece(&mut self, purchase: u64, article: u64, rng: &SeededRng) {
        let id = number(&self.pieces);
        self.pieces.push([id, purchase, article, 1 + small(20, rng)]);
        let returned = article % CATEGORIES == RETURNED;
        let claimed = if returned { rng.below(10) < 8 } else { rng.one_in(100) };
        if claimed {
            let reason = if returned { 4 } else { rng.below(4) };
            self.claims.push([number(&self.claims), id, reason, rng.below(DAYS)]);
        }
    }

    /// In the order of the definitions.
    fn of_tables(self) -> [Vec<[u64; 4]>; 5] {
        [self.shoppers, self.articles, self.purchases, self.pieces, self.claims]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_have_most() {
        let rows = Rows::new(Size::thousands(2), &SeededRng::new(1));
        let shops: Vec<u64> =
            rows.shoppers.iter().filter(|row| row[3] == 1).map(|row| row[0]).collect();
        let of_shops = rows.purchases.iter().filter(|row| shops.contains(&row[1])).count();
        assert!(shops.len() * 25 < rows.shoppers.len(), "{}", shops.len());
        assert!(of_shops * 2 > rows.purchases.len(), "{of_shops}");
        let sold = rows.pieces.iter().filter(|row| row[2] % CATEGORIES == SOLD).count();
        assert!(sold * 2 > rows.pieces.len(), "{sold} of {}", rows.pieces.len());
    }

    #[test]
    fn a_city_lies_in_one_country() {
        let catalog = generate(Size::thousands(1), 1, &mut |definition, row| {
            if definition.name == "shopper" {
                let [_, Value::I64(country), Value::I64(city), _] = row else { panic!("{row:?}") };
                assert_eq!(city / i64::try_from(CITIES_EACH)?, *country);
            }
            Ok(())
        });
        let catalog = catalog.unwrap();
        let piece = catalog.table("piece").unwrap();
        assert_eq!(catalog.definition(piece).foreign_keys.len(), 2);
        assert!(catalog.statistics(piece).unwrap().rows > 1_000);
    }
}
