//! The best rows of an index, in order: as many as are wanted, of those that have not ended.

#[cfg(feature = "spatial")]
use lightning_db_index::{Location, Neighbor};
#[cfg(feature = "text")]
use lightning_db_index::{TextHit, TextQuery};

use crate::error::{Error, Result};
use crate::expiry::ended_rows;
use crate::snapshot::TableReader;

impl TableReader<'_> {
    fn not_of_kind(&self, index: &str, kind: &str) -> Error {
        let (table, detail) = (self.table.name().to_owned(), format!("{index} is no {kind} index"));
        Error::Definition { table, detail }
    }

    /// The `count` rows nearest to a point by a spatial index, by distance, then by number.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the index, [`Error::Definition`] if it is of another kind,
    /// [`Error::Index`] if the point is none; those of the store.
    #[cfg(feature = "spatial")]
    pub fn nearest(&self, index: &str, centre: Location, count: usize) -> Result<Vec<Neighbor>> {
        let spatial = self.index(index)?.as_spatial();
        let spatial = spatial.ok_or_else(|| self.not_of_kind(index, "spatial"))?;
        let ended = ended_rows(self)?;
        let admits = |row_id| !ended.contains(row_id);
        let nearest = spatial.nearest_where(self.reader, centre, count, admits);
        nearest.map_err(Error::of_index(self.table.name()))
    }

    /// The `limit` rows that match best by a text index, best first; of equal scores, the lower
    /// number comes first. Rows that have ended have a part in the scores until they are removed.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the index, [`Error::Definition`] if it is of another kind,
    /// [`Error::Index`] if the query is none; those of the store.
    #[cfg(feature = "text")]
    pub fn search(&self, index: &str, query: &TextQuery, limit: usize) -> Result<Vec<TextHit>> {
        let text = self.index(index)?.as_text();
        let text = text.ok_or_else(|| self.not_of_kind(index, "text"))?;
        let ended = ended_rows(self)?;
        let most = usize::try_from(ended.len()).unwrap_or(usize::MAX).saturating_add(limit);
        let mut wanted = limit;
        loop {
            let found = text.search(self.reader, query, wanted, None);
            let mut hits = found.map_err(Error::of_index(self.table.name()))?;
            let is_all = hits.len() < wanted || wanted == most;
            let before = hits.len();
            hits.retain(|hit| !ended.contains(hit.row_id));
            if is_all || hits.len() >= limit {
                hits.truncate(limit);
                return Ok(hits);
            }
            // Twice what was too much this time: few rounds, and little too much.
            wanted = wanted.saturating_add(2 * (before - hits.len())).min(most);
        }
    }
}
