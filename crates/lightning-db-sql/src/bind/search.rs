//! Functions that indexes answer: of text, and of places.

use lightning_db_expression::number::is_number;
use lightning_db_optimizer::ROW_NUMBER;
use lightning_db_query::build::Term;
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{self, BinaryOperator, Expr};

use super::Binder;
use super::expression::{Place, plain_arguments};
use super::scope::{Relation, Scope, Search};
use super::typed::Typed;
use crate::error::{Error, Position, Result};
use crate::names;

/// What an argument must be.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Point,
    Number,
}

/// A function by its name, with its arguments and the type of its values.
type Form = (&'static str, &'static [Wanted], ValueType);

const FORMS: [Form; 7] = [
    ("match", &[Wanted::Text, Wanted::Text], ValueType::Bool),
    ("st_distance", &[Wanted::Point, Wanted::Point], ValueType::F64),
    ("st_dwithin", &[Wanted::Point, Wanted::Point, Wanted::Number], ValueType::Bool),
    ("st_within", &[Wanted::Point, Wanted::Text], ValueType::Bool),
    ("plane_distance", &[Wanted::Point, Wanted::Point], ValueType::F64),
    ("plane_dwithin", &[Wanted::Point, Wanted::Point, Wanted::Number], ValueType::Bool),
    ("plane_within", &[Wanted::Point, Wanted::Text], ValueType::Bool),
];

/// The function of a name, if it is one of these.
pub(super) fn function(
    name: &str,
    arguments: &[Typed],
    at: Option<Position>,
) -> Result<Option<Typed>> {
    let Some((name, wanted, value_type)) = FORMS.iter().find(|(known, ..)| *known == name) else {
        return Ok(None);
    };
    if wanted.len() != arguments.len() {
        let (wanted, given) = (wanted.len(), arguments.len());
        let detail = format!("{name} takes {wanted} arguments, and {given} were given");
        return Err(Error::invalid(detail, at));
    }
    for (position, (argument, wanted)) in arguments.iter().zip(*wanted).enumerate() {
        let found = argument.value_type;
        let fits = match wanted {
            Wanted::Text => found == ValueType::Text,
            Wanted::Point => found == ValueType::Point,
            Wanted::Number => is_number(found),
        };
        if !fits && found != ValueType::Null {
            let detail = format!("argument {} of {name} may not be a {found}", position + 1);
            return Err(Error::invalid(detail, at));
        }
    }
    let arguments = arguments.iter().map(|argument| argument.term.clone()).collect();
    let value_type = *value_type;
    let term = Term::External { function: (*name).into(), arguments, value_type };
    Ok(Some(Typed::new(term, value_type)))
}

impl Binder<'_> {
    /// What texts are searched for by a condition: those of its parts that are joined with AND.
    pub(super) fn searches(&self, condition: &Expr, scope: &Scope<'_>) -> Vec<Search> {
        let (mut rest, mut found) = (vec![condition], Vec::new());
        while let Some(expr) = rest.pop() {
            match expr {
                Expr::Nested(inner) => rest.push(inner),
                Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                    rest.extend([&**right, &**left]);
                }
                // What is wrong with it is said where the condition is bound.
                Expr::Function(called) => found.extend(self.search(called, scope)),
                _ => {}
            }
        }
        found
    }

    fn search(&self, called: &ast::Function, scope: &Scope<'_>) -> Option<Search> {
        let (name, _) = names::plain(&called.name).ok()?;
        let [text, query] = plain_arguments(&called.args)?[..] else { return None };
        if name != "match" {
            return None;
        }
        let bound = |expr| self.expression(expr, Place::rows(scope)).ok();
        let (Term::Column(column), query) = (bound(text)?.term, bound(query)?.term) else {
            return None;
        };
        let has = |relation: &&Relation| {
            relation.columns.iter().any(|known| relation.full_name(&known.name) == column)
        };
        let row = scope.relations.iter().find(has)?.full_name(ROW_NUMBER);
        Some(Search { column, query, row })
    }

    /// `score()` and `snippet(text)`, which are about what WHERE searches for.
    pub(super) fn of_search(
        &self,
        name: &str,
        arguments: &[&Expr],
        place: Place<'_>,
        at: Option<Position>,
    ) -> Result<Typed> {
        if place.grouped.is_some() {
            let hint = "select it in a subquery, and make the groups of that";
            return Err(Error::unsupported_hint(format!("{name} of groups"), hint, at));
        }
        let bound = arguments.iter().map(|it| self.expression(it, place));
        let bound = bound.collect::<Result<Vec<_>>>()?;
        let column = match bound.first().map(|first| &first.term) {
            None => None,
            Some(Term::Column(column)) => Some(column),
            Some(_) => return Err(Error::invalid(format!("{name} is of a column"), at)),
        };
        let searches = &place.scope.searches;
        let search = match (searches.iter().find(|it| Some(&it.column) == column), &searches[..]) {
            (Some(found), _) => found,
            (None, [only]) if column.is_none() || name == "snippet" => only,
            (None, []) => {
                let detail =
                    format!("{name} needs match(column, query) in WHERE, alone or with AND");
                return Err(Error::invalid(detail, at));
            }
            (None, _) => {
                let detail = format!("name a column of one match in WHERE: {name}(column)");
                return Err(Error::invalid(detail, at));
            }
        };
        let (function, query) = (name.into(), search.query.clone());
        let (arguments, value_type) = match (name, &bound[..]) {
            ("score", [] | [_]) => {
                let columns = [search.column.clone(), search.row.clone()].map(Term::Column);
                let [text, row] = columns;
                (vec![text, query, row], ValueType::F64)
            }
            ("snippet", [text]) => {
                let marks = ["<b>", "</b>"].map(|mark| Term::Literal(Value::from(mark)));
                let [before, behind] = marks;
                (vec![text.term.clone(), query, before, behind], ValueType::Text)
            }
            ("snippet", [text, before, behind])
                if [before, behind].iter().all(|it| it.value_type == ValueType::Text) =>
            {
                let [before, behind] = [before, behind].map(|mark| mark.term.clone());
                (vec![text.term.clone(), query, before, behind], ValueType::Text)
            }
            ("score", _) => return Err(Error::invalid("score takes a column, or nothing", at)),
            _ => {
                let detail = "snippet takes a column, and perhaps two texts to mark words with";
                return Err(Error::invalid(detail, at));
            }
        };
        Ok(Typed::new(Term::External { function, arguments, value_type }, value_type))
    }
}
