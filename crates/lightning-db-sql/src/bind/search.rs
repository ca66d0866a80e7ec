//! Functions that indexes answer: of text, and of places.

use lightning_db_expression::number::is_number;
use lightning_db_query::build::Term;
use lightning_db_types::{Value, ValueType};

use super::typed::Typed;
use crate::error::{Error, Position, Result};

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

/// A point of two numbers that are known.
pub(super) fn point(coordinates: [Value; 2], at: Option<Position>) -> Result<Typed> {
    let [x, y] =
        coordinates.map(|value| match Typed::value(value).cast(ValueType::F64, at)?.term {
            Term::Literal(Value::F64(number)) => Ok(number),
            _ => Err(Error::invalid("a point has two numbers", at)),
        });
    Ok(Typed::value(Value::Point { x: x?, y: y? }))
}
