//! Which columns a name may mean, with their types.

use lightning_db_query::build::Term;
use lightning_db_types::ValueType;

use crate::error::{Error, Position, Result};
use crate::names::unknown;

/// The relations of a FROM clause, and the queries around it.
#[derive(Debug, Default)]
pub(crate) struct Scope<'p> {
    pub(crate) relations: Vec<Relation>,
    /// What texts are searched for by conditions that are true of all rows.
    pub(crate) searches: Vec<Search>,
    pub(crate) outer: Option<&'p Scope<'p>>,
}

/// A column of text, and what is searched for in it.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The column, by its relation and name.
    pub(crate) column: String,
    pub(crate) query: Term,
    /// The number of the row, by relation and name.
    pub(crate) row: String,
}

/// A table or subquery that is called by a name.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<ScopeColumn>,
}

/// A column of a relation.
#[derive(Debug, Clone)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    pub(crate) value_type: ValueType,
    /// It is equal to one of the same name before it (USING), which stands for both.
    pub(crate) merged: bool,
}

/// A column that a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Its relation and name, as the query builder takes them.
    pub(crate) full_name: String,
    pub(crate) value_type: ValueType,
}

impl Relation {
    pub(crate) fn full_name(&self, column: &str) -> String {
        format!("{}.{column}", self.name)
    }
}

impl<'p> Scope<'p> {
    pub(crate) fn within(outer: Option<&'p Scope<'p>>) -> Self {
        Self { relations: Vec::new(), searches: Vec::new(), outer }
    }

    /// The column that a name means, in the innermost scope that knows it.
    pub(crate) fn resolve(
        &self,
        relation: Option<&str>,
        name: &str,
        at: Option<Position>,
    ) -> Result<Resolved> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some(found) = here.find(relation, name, at)? {
                return Ok(found);
            }
            scope = here.outer;
        }
        Err(self.unknown_column(relation, name, at))
    }

    fn find(
        &self,
        relation: Option<&str>,
        name: &str,
        at: Option<Position>,
    ) -> Result<Option<Resolved>> {
        let relations = self.relations.iter();
        let relations = relations.filter(|known| relation.is_none_or(|name| known.name == name));
        let mut found = relations.flat_map(|known| {
            let columns = known
                .columns
                .iter()
                .filter(|column| column.name == name && (relation.is_some() || !column.merged));
            columns.map(move |column| (known, column))
        });
        let Some((known, column)) = found.next() else { return Ok(None) };
        if let Some((other, _)) = found.next() {
            let (one, other) = (known.full_name(name), other.full_name(name));
            let detail = format!("{name} is ambiguous: choose {one} or {other}");
            return Err(Error::invalid(detail, at));
        }
        let (full_name, value_type) = (known.full_name(&column.name), column.value_type);
        Ok(Some(Resolved { full_name, value_type }))
    }

    fn unknown_column(&self, relation: Option<&str>, name: &str, at: Option<Position>) -> Error {
        let mut known = Vec::new();
        let mut scope = Some(self);
        while let Some(here) = scope {
            for of in &here.relations {
                let names = of.columns.iter().map(|column| match relation {
                    Some(_) => of.full_name(&column.name),
                    None => column.name.clone(),
                });
                known.extend(names);
            }
            scope = here.outer;
        }
        let full =
            relation.map_or_else(|| name.to_owned(), |relation| format!("{relation}.{name}"));
        unknown("column", &full, known, at)
    }

    /// The relation of a name, in this scope alone.
    pub(crate) fn relation(&self, name: &str, at: Option<Position>) -> Result<&Relation> {
        let found = self.relations.iter().find(|relation| relation.name == name);
        let names = || self.relations.iter().map(|relation| relation.name.clone());
        found.ok_or_else(|| unknown("table", name, names(), at))
    }

    /// Adds a relation.
    ///
    /// # Errors
    /// [`Error::Invalid`] if one has its name.
    pub(crate) fn add(&mut self, relation: Relation, at: Option<Position>) -> Result<()> {
        if self.relations.iter().any(|known| known.name == relation.name) {
            let detail = format!("there are two tables {}; give one an alias", relation.name);
            return Err(Error::invalid(detail, at));
        }
        self.relations.push(relation);
        Ok(())
    }
}
