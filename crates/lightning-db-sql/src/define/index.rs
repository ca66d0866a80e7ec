//! CREATE INDEX.

use lightning_db_expression::Expression;
use lightning_db_query::Source;
use lightning_db_table::index::{IndexKind, OrderedOptions};
use lightning_db_table::{ColumnOrder, IndexSpec};
use sqlparser::ast::{self, BinaryOperator, Expr, IndexType};

use super::{Target, existing, over_columns, table_of_index};
use crate::bind::{Relation, place_of, relation_of};
use crate::error::{Error, Result};
use crate::names::{self, at, folded, unknown};

/// Kinds by their names in SQL.
const KINDS: [&str; 6] = ["btree", "hash", "bitmap", "rtree", "fulltext", "bloom"];

pub(super) fn create(create: &ast::CreateIndex, target: &mut Target<'_>) -> Result<()> {
    if create.concurrently && matches!(target, Target::Transaction(_)) {
        let detail = "a transaction is open, and its writes are not made beside those of others";
        return Err(Error::Transaction { what: "CREATE INDEX CONCURRENTLY", detail });
    }
    let seen = target.seen();
    let source = seen.source();
    let table_name = existing(&create.table_name, source)?;
    let name = match &create.name {
        Some(name) => names::table(name)?.0,
        None => format!("{table_name}_{}_idx", part_names(create).join("_")),
    };
    if create.if_not_exists && table_of_index(&name, source).is_some() {
        return Ok(());
    }
    let table = source.table(&table_name)?;
    let place = |name: &str| table.column_id(name).ok();
    let of = Of { relation: relation_of(table.columns(), table.name()), place: &place, source };
    let spec = spec(create, name, &of)?;
    drop(seen);
    target.create_index(&table_name, spec)
}

/// The table that an index is of.
pub(crate) struct Of<'a> {
    pub(crate) relation: Relation,
    /// How its columns are numbered.
    pub(crate) place: &'a dyn Fn(&str) -> Option<usize>,
    pub(crate) source: Source<'a>,
}

/// The index that a statement makes.
pub(crate) fn spec(create: &ast::CreateIndex, name: String, of: &Of<'_>) -> Result<IndexSpec> {
    let parts = create.columns.iter().map(|column| part(column, of));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let mut options = Options::read(&create.with)?;
    let mut spec = match kind_of(create)?.as_str() {
        "btree" => IndexSpec::ordered(name),
        "hash" => IndexSpec::hash(name),
        "bitmap" => IndexSpec::bitmap(name),
        "bloom" => IndexSpec::bloom(name),
        "rtree" => rtree(name, &mut options)?,
        "fulltext" => fulltext(name, &mut options)?,
        other => return Err(unknown("index kind", other, KINDS, None)),
    };
    options.finish()?;
    for (expression, order) in parts {
        spec = spec.part(expression, order);
    }
    spec = include(spec, create, of)?;
    if let Some(condition) = &create.predicate {
        let relation = of.relation.clone();
        spec = spec.condition(over_columns(condition, relation, of.place, of.source, true)?);
    }
    Ok(spec)
}

fn kind_of(create: &ast::CreateIndex) -> Result<String> {
    Ok(match &create.using {
        None | Some(IndexType::BTree) => "btree".to_owned(),
        Some(IndexType::Hash) => "hash".to_owned(),
        Some(IndexType::Bloom) => "bloom".to_owned(),
        Some(IndexType::GiST | IndexType::SPGiST) => "rtree".to_owned(),
        Some(IndexType::Custom(name)) => {
            let kind = folded(name);
            if !KINDS.contains(&&*kind) {
                return Err(unknown("index kind", &kind, KINDS, at(name)));
            }
            kind
        }
        Some(other) => {
            let hint = format!("kinds are {}", KINDS.join(", "));
            return Err(Error::unsupported_hint(format!("USING {other}"), hint, None));
        }
    })
}

/// UNIQUE, INCLUDE and NULLS NOT DISTINCT.
fn include(mut spec: IndexSpec, create: &ast::CreateIndex, of: &Of<'_>) -> Result<IndexSpec> {
    if create.unique {
        spec.kind = match spec.kind {
            IndexKind::Ordered(options) => IndexKind::Ordered(options.unique()),
            IndexKind::Hash(mut options) => {
                options.unique = true;
                IndexKind::Hash(options)
            }
            _ => return Err(Error::unsupported("UNIQUE for an index of this kind", None)),
        };
    }
    if create.nulls_distinct == Some(false) {
        spec = spec.nulls_not_distinct();
    }
    if create.include.is_empty() {
        return Ok(spec);
    }
    if !matches!(spec.kind, IndexKind::Ordered(OrderedOptions { .. })) {
        return Err(Error::unsupported("INCLUDE for an index of this kind", None));
    }
    let columns = create.include.iter().map(|name| {
        let known = of.relation.columns.iter().map(|column| &*column.name);
        let id = (of.place)(&folded(name));
        id.ok_or_else(|| unknown("column", &folded(name), known, at(name)))
    });
    Ok(spec.include(columns.collect::<Result<Vec<_>>>()?))
}

fn part(column: &ast::IndexColumn, of: &Of<'_>) -> Result<(Expression, ColumnOrder)> {
    if let Some(class) = &column.operator_class {
        return Err(Error::unsupported(format!("the operator class {class}"), None));
    }
    let expr = &column.column.expr;
    let expression = over_columns(expr, of.relation.clone(), of.place, of.source, false)?;
    let descending = column.column.options.asc == Some(false);
    let nulls_first = column.column.options.nulls_first.unwrap_or(descending);
    Ok((expression, ColumnOrder { descending, nulls_first }))
}

/// What the parts of a key are called in the name of an index that is given none.
fn part_names(create: &ast::CreateIndex) -> Vec<String> {
    let name = |column: &ast::IndexColumn| match &column.column.expr {
        Expr::Identifier(name) => folded(name),
        _ => "expr".to_owned(),
    };
    create.columns.iter().map(name).collect()
}

/// `WITH (analyzer = 'english')`
struct Options {
    given: Vec<(String, Expr)>,
}

impl Options {
    fn read(with: &[Expr]) -> Result<Self> {
        let option = |expr: &Expr| match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match &**left {
                Expr::Identifier(name) => Ok((folded(name), (**right).clone())),
                _ => Err(Error::unsupported(format!("the option {expr}"), place_of(expr))),
            },
            _ => Err(Error::unsupported(format!("the option {expr}"), place_of(expr))),
        };
        Ok(Self { given: with.iter().map(option).collect::<Result<_>>()? })
    }

    /// The word that an option is set to.
    #[cfg_attr(not(any(feature = "spatial", feature = "text")), expect(dead_code))]
    fn take(&mut self, name: &str) -> Result<Option<(String, Expr)>> {
        let Some(at) = self.given.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.given.remove(at);
        let word = match &value {
            Expr::Identifier(word) => folded(word),
            Expr::Value(word) => match &word.value {
                ast::Value::SingleQuotedString(word) => word.to_lowercase(),
                _ => return Err(Error::invalid(format!("{name} is a word"), place_of(&value))),
            },
            _ => return Err(Error::invalid(format!("{name} is a word"), place_of(&value))),
        };
        Ok(Some((word, value)))
    }

    /// Nothing may be left.
    fn finish(&self) -> Result<()> {
        match self.given.first() {
            None => Ok(()),
            Some((name, value)) => {
                let what = format!("the option {name} of an index of this kind");
                Err(Error::unsupported(what, place_of(value)))
            }
        }
    }
}

#[cfg(feature = "spatial")]
fn rtree(name: String, options: &mut Options) -> Result<IndexSpec> {
    let spec = IndexSpec::spatial(name);
    match options.take("geometry")? {
        None => Ok(spec),
        Some((word, _)) if word == "plane" => Ok(spec),
        Some((word, _)) if word == "sphere" => Ok(spec.sphere()),
        Some((word, value)) => {
            Err(unknown("geometry", &word, ["plane", "sphere"], place_of(&value)))
        }
    }
}

#[cfg(not(feature = "spatial"))]
fn rtree(_: String, _: &mut Options) -> Result<IndexSpec> {
    let hint = "build with the feature spatial";
    Err(Error::unsupported_hint("USING rtree", hint, None))
}

#[cfg(feature = "text")]
fn fulltext(name: String, options: &mut Options) -> Result<IndexSpec> {
    use lightning_db_table::index::{Analyzer, Language};
    let analyzer = match options.take("analyzer")? {
        None => Analyzer::Simple,
        Some((word, value)) => match word.as_str() {
            "simple" => Analyzer::Simple,
            "whitespace" => Analyzer::Whitespace,
            "raw" => Analyzer::Raw,
            "facet" => Analyzer::Facet,
            word => {
                let name = |language: Language| format!("{language:?}").to_lowercase();
                let found = Language::ALL.into_iter().find(|language| name(*language) == word);
                let known = Language::ALL.into_iter().map(name);
                let known = known.chain(["simple".into(), "whitespace".into(), "raw".into()]);
                let error = || unknown("analyzer", word, known, place_of(&value));
                let language = found.ok_or_else(error)?;
                Analyzer::Language { language, stop_words: true }
            }
        },
    };
    Ok(IndexSpec::text(name, analyzer))
}

#[cfg(not(feature = "text"))]
fn fulltext(_: String, _: &mut Options) -> Result<IndexSpec> {
    let hint = "build with the feature text";
    Err(Error::unsupported_hint("USING fulltext", hint, None))
}
