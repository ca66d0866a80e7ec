//! Cost in reads of pages, with the constants that `PostgreSQL` made known.

use super::{CostModel, Work};

/// Cost in units of one page that is read in sequence: what a table of a disk costs, where reading
/// counts more than computing. 100 pages with 1,000 rows cost 110.
///
/// Source: `PostgreSQL`'s planner cost constants and their defaults. Work that `PostgreSQL` does
/// not have is counted in the same units.
///
/// # Examples
/// ```
/// use lightning_db_optimizer::{CostModel, Pages, Work};
/// let cost = Pages::default().cost(&Work::Scan { rows: 1_000.0, pages: 100.0, columns: 3.0 });
/// assert!((cost - 110.0).abs() < 1e-9);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pages {
    /// A page that is read after the one before.
    pub seq_page: f64,
    /// A page that is read out of order.
    pub random_page: f64,
    /// A row that is handled.
    pub cpu_tuple: f64,
    /// An entry of an index that is handled.
    pub cpu_index_tuple: f64,
    /// An operator or function that is evaluated.
    pub cpu_operator: f64,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            seq_page: 1.0,
            random_page: 4.0,
            cpu_tuple: 0.01,
            cpu_index_tuple: 0.005,
            cpu_operator: 0.0025,
        }
    }
}

/// Entries of an index on one page, where nothing is known of it.
const PAGE_ENTRIES: f64 = 256.0;
/// Bytes of a page.
const PAGE_BYTES: f64 = 8_192.0;
/// What starting a worker costs.
const WORKER: f64 = 1_000.0;
/// What passing a row to another worker costs.
const EXCHANGE_ROW: f64 = 0.1;

impl CostModel for Pages {
    fn cost(&self, work: &Work) -> f64 {
        let cost = match *work {
            Work::Scan { .. }
            | Work::Seek { .. }
            | Work::HashSeek { .. }
            | Work::Entries { .. }
            | Work::Fetch { .. }
            | Work::BitmapRead { .. }
            | Work::Spatial { .. }
            | Work::Text { .. } => self.access(work),
            _ => self.in_memory(work),
        };
        // `max` gives the other operand for NaN.
        cost.max(0.0)
    }

    fn unit(&self) -> &'static str {
        "pages"
    }

    fn worker_cost_min(&self) -> f64 {
        WORKER
    }
}

impl Pages {
    fn access(&self, work: &Work) -> f64 {
        match *work {
            Work::Scan { rows, pages, .. } => self.seq_page * pages + self.cpu_tuple * rows,
            Work::Seek { count, entries } => {
                // The upper levels are in memory: one page for the leaf, and the comparisons.
                let compared = entries.max(2.0).log2().ceil();
                count * (self.random_page + compared * self.cpu_operator)
            }
            Work::HashSeek { count } => count * (self.random_page + self.cpu_operator),
            Work::Entries { rows, .. } => {
                (rows / PAGE_ENTRIES).floor() * self.seq_page + rows * self.cpu_index_tuple
            }
            Work::Fetch { rows, table_rows, pages, clustering, .. } => {
                let worst = pages_touched(rows, table_rows, pages, 0.0) * self.random_page;
                let clustered = pages_touched(rows, table_rows, pages, 1.0).max(1.0);
                let best = self.random_page + (clustered - 1.0) * self.seq_page;
                let share = clustering.abs().clamp(0.0, 1.0).powi(2);
                worst + (best.min(worst) - worst) * share + rows * self.cpu_tuple
            }
            Work::BitmapRead { sets, table_rows } => {
                sets * (self.random_page + table_rows / 8.0 / PAGE_BYTES * self.seq_page)
            }
            Work::Spatial { rows, entries } | Work::Text { rows, entries } => {
                let levels = (entries.max(2.0).ln() / PAGE_ENTRIES.ln()).ceil();
                levels * self.random_page + rows * self.cpu_index_tuple
            }
            _ => 0.0,
        }
    }

    fn in_memory(&self, work: &Work) -> f64 {
        match *work {
            Work::Bloom { count } => count * self.cpu_operator,
            Work::Evaluate { rows, scalars } => rows * scalars * self.cpu_operator,
            Work::HashBuild { rows, .. } => rows * (self.cpu_operator + self.cpu_tuple),
            Work::HashProbe { rows, .. } | Work::Merge { rows } => rows * self.cpu_operator,
            Work::NestedLoop { pairs } => pairs * self.cpu_operator,
            Work::Sort { rows, kept, .. } => {
                2.0 * self.cpu_operator * rows * kept.min(rows).max(2.0).log2()
            }
            Work::HashAggregate { rows, groups, aggregates } => {
                rows * (1.0 + aggregates) * self.cpu_operator + groups * self.cpu_tuple
            }
            Work::StreamAggregate { rows, aggregates, .. } => {
                rows * (1.0 + aggregates) * self.cpu_operator
            }
            Work::Exchange { rows, .. } => rows * EXCHANGE_ROW,
            Work::Workers { count } => count * WORKER,
            // What each row is handed on for must cost something, so that no plan gains by more
            // operators.
            Work::SetCombine { rows, .. } | Work::Emit { rows } => rows * 0.1 * self.cpu_operator,
            _ => 0.0,
        }
    }
}

/// Pages of a table that some of its rows lie in: as many as their share of the rows if they are
/// clustered, and otherwise as many as fall on different pages by chance.
///
/// Source: A. Cardenas, "Analysis and performance of inverted data base structures", CACM 18, 1975.
pub(super) fn pages_touched(rows: f64, table_rows: f64, pages: f64, clustering: f64) -> f64 {
    let (rows, pages) = (rows.max(0.0), pages.max(1.0));
    let clustered = (rows / table_rows.max(1.0)).min(1.0) * pages;
    let scattered = pages * -f64::exp_m1(rows * f64::ln_1p(-1.0 / pages.max(1.000_001)));
    let clustering = clustering.abs().clamp(0.0, 1.0);
    clustered * clustering + scattered * (1.0 - clustering)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clustered_rows_touch_fewer_pages() {
        let touched = |clustering| pages_touched(1e4, 1e6, 1e4, clustering);
        assert!((touched(1.0) - 100.0).abs() < 1e-6);
        assert!((6_300.0..6_330.0).contains(&touched(0.0)), "{}", touched(0.0));
        assert!((pages_touched(5.0, 100.0, 1.0, 0.0) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_hundred_pages_with_a_thousand_rows_cost_110() {
        let cost = Pages::default().cost(&Work::Scan { rows: 1e3, pages: 100.0, columns: 9.0 });
        assert!((cost - 110.0).abs() < 1e-9, "{cost}");
    }

    #[test]
    fn a_clustered_index_fetches_in_sequence() {
        let fetch = |clustering| {
            let (rows, table_rows, pages, columns) = (1e4, 1e5, 1e3, 1.0);
            let sorted = false;
            Pages::default().cost(&Work::Fetch {
                rows,
                table_rows,
                pages,
                clustering,
                sorted,
                columns,
            })
        };
        // 100 pages, the first at random, and 10,000 rows.
        assert!((fetch(1.0) - (4.0 + 99.0 + 100.0)).abs() < 1e-9, "{}", fetch(1.0));
        assert!((4_000.0..4_110.0).contains(&fetch(0.0)), "{}", fetch(0.0));
        assert!(fetch(0.0) > fetch(0.5) && fetch(0.5) > fetch(1.0));
    }

    #[test]
    fn nothing_costs_less_than_nothing() {
        for number in [f64::NAN, -1.0] {
            let cost = Pages::default().cost(&Work::Seek { count: number, entries: number });
            assert!(cost >= 0.0, "{cost}");
        }
    }
}
