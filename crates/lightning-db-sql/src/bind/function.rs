//! Functions by their names in SQL.

use lightning_db_expression::{Arithmetic, DatePart, Function, MathFunction};
use lightning_db_optimizer::arithmetic_type;
use lightning_db_query::build::{Term, call, literal};
use lightning_db_types::{Value, ValueType};
use sqlparser::ast::{self, CeilFloorKind, DateTimeField, Expr, TrimWhereField};

use super::Binder;
use super::expression::{Place, place_of, plain_arguments};
use super::typed::Typed;
use crate::error::{Error, Position, Result};
use crate::{names, reference};

impl Binder<'_> {
    pub(crate) fn function(&self, whole: &Expr, place: Place<'_>) -> Result<Typed> {
        let at = place_of(whole);
        match whole {
            Expr::Extract { field, expr, .. } => {
                let moment = self.expression(expr, place)?;
                date_part(field, moment, at)
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.expression(expr, place)?];
                match (substring_from, substring_for) {
                    (Some(from), None) => arguments.push(self.expression(from, place)?),
                    (from, length) => {
                        let one = || Ok(Typed::value(1_i64.into()));
                        let from = from.as_ref().map(|from| self.expression(from, place));
                        arguments.push(from.unwrap_or_else(one)?);
                        if let Some(length) = length {
                            arguments.push(self.expression(length, place)?);
                        }
                    }
                }
                plain("substring", Function::Substring, arguments, at)
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => Function::Trim,
                    Some(TrimWhereField::Leading) => Function::TrimStart,
                    Some(TrimWhereField::Trailing) => Function::TrimEnd,
                };
                let operands = std::iter::once(expr).chain(trim_what);
                let operands = operands.map(|operand| self.expression(operand, place));
                plain("trim", function, operands.collect::<Result<_>>()?, at)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let operands = [expr, overlay_what, overlay_from].into_iter().chain(overlay_for);
                let operands = operands.map(|operand| self.expression(operand, place));
                plain("overlay", Function::Overlay, operands.collect::<Result<_>>()?, at)
            }
            Expr::Position { expr, r#in } => {
                let arguments = vec![self.expression(r#in, place)?, self.expression(expr, place)?];
                plain("position", Function::Position, arguments, at)
            }
            Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => plain("floor", Function::Floor, vec![self.expression(expr, place)?], at),
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                plain("ceil", Function::Ceiling, vec![self.expression(expr, place)?], at)
            }
            Expr::Function(called) => self.called(whole, called, place),
            _ => {
                let what = format!("the expression {}", super::expression::cut(whole));
                Err(Error::unsupported(what, at))
            }
        }
    }

    /// A function with its arguments in parentheses.
    fn called(&self, whole: &Expr, called: &ast::Function, place: Place<'_>) -> Result<Typed> {
        if let Some(over) = &called.over {
            return self.windowed(called, over, place);
        }
        let (name, name_at) = names::plain(&called.name)?;
        if let Some(of) = super::grouped::function(&name) {
            return self.aggregate(whole, of, called, place);
        }
        let arguments = plain_arguments(&called.args);
        let (Some(arguments), None) = (arguments, &called.filter) else {
            return Err(Error::unsupported(format!("{name} with clauses"), name_at));
        };
        if name == "grouping" {
            return self.grouping(&arguments, place, name_at);
        }
        if matches!(&*name, "score" | "snippet") {
            return self.of_search(&name, &arguments, place, name_at);
        }
        if arguments.is_empty()
            && let Some(moment) = self.moment(&name, name_at)?
        {
            return Ok(moment);
        }
        let arguments = arguments.into_iter().map(|it| self.expression(it, place));
        // Of a function that is not there, nothing is known of its arguments either.
        let arguments = arguments.collect::<Result<Vec<_>>>().map_err(|error| {
            let unknown = named(&name, Vec::new(), name_at).err();
            unknown.filter(|it| matches!(it, Error::Unsupported { .. })).unwrap_or(error)
        })?;
        match super::search::function(&name, &arguments, name_at)? {
            Some(found) => Ok(found),
            None => named(&name, arguments, name_at),
        }
    }
}

fn named(name: &str, arguments: Vec<Typed>, at: Option<Position>) -> Result<Typed> {
    if let Some(found) = super::scalar::function(name, &arguments, at)? {
        return Ok(found);
    }
    if let Some(function) = of_name(name, arguments.len()) {
        return plain(name, function, arguments, at);
    }
    match name {
        "concat" => {
            // As in PostgreSQL, nulls are empty here, and make || null.
            let texts = texts(arguments, at)?.into_iter();
            let texts = texts.map(|text| call(Function::Coalesce, [text.term, literal("")]));
            Ok(Typed::new(call(Function::Concat, texts), ValueType::Text))
        }
        "concat_ws" => plain(name, Function::ConcatSeparated, texts(arguments, at)?, at),
        "pi" => {
            let [] = fixed(name, arguments, at)?;
            Ok(Typed::value(std::f64::consts::PI.into()))
        }
        "date_part" => {
            let [part, moment] = fixed(name, arguments, at)?;
            let Term::Literal(Value::Text(part)) = &part.term else {
                return Err(Error::unsupported("date_part of a part that is computed", at));
            };
            let part = part_of(&part.to_lowercase());
            let part = part.ok_or_else(|| Error::unsupported("this part of a date", at))?;
            of_moment(part, moment, at)
        }
        _ => {
            let hint = lightning_db_query::build::nearest(name, reference::names());
            let hint = hint.map_or_else(String::new, |name| format!("did you mean {name}?"));
            Err(Error::unsupported_hint(format!("the function {name}"), hint, at))
        }
    }
}

/// The function of a name that takes as many arguments, if it takes them as they are.
fn of_name(name: &str, arguments: usize) -> Option<Function> {
    Some(match name {
        "lower" => Function::Lower,
        "upper" => Function::Upper,
        "initcap" => Function::Capitalize,
        "length" | "char_length" | "character_length" => Function::Length,
        "octet_length" => Function::ByteLength,
        "trim" | "btrim" => Function::Trim,
        "ltrim" => Function::TrimStart,
        "rtrim" => Function::TrimEnd,
        "substring" | "substr" => Function::Substring,
        "point" | "st_point" => Function::Point,
        "left" => Function::Left,
        "right" => Function::Right,
        "lpad" => Function::PadStart,
        "rpad" => Function::PadEnd,
        "repeat" => Function::Repeat,
        "reverse" => Function::Reverse,
        "replace" => Function::Replace,
        "translate" => Function::Translate,
        "overlay" => Function::Overlay,
        "split_part" => Function::SplitPart,
        "starts_with" => Function::StartsWith,
        "json_extract" => Function::JsonExtract,
        "ascii" => Function::CodePoint,
        "st_x" => Function::PointX,
        "st_y" => Function::PointY,
        "chr" => Function::Character,
        "to_hex" => Function::Hexadecimal,
        "abs" => Function::Abs,
        "round" => Function::Round,
        "floor" => Function::Floor,
        "ceil" | "ceiling" => Function::Ceiling,
        "trunc" => Function::Truncate,
        "sign" => Function::Sign,
        "div" => Function::Quotient,
        "pow" => Function::Math(MathFunction::Power),
        // Logarithms to other bases are those of DataFusion, where it is there.
        "log" if arguments < 2 => Function::Math(MathFunction::DecimalLogarithm),
        _ => {
            let math = MathFunction::ALL.into_iter().find(|function| function.name() == name);
            Function::Math(math?)
        }
    })
}

/// The arguments, all as texts.
fn texts(arguments: Vec<Typed>, at: Option<Position>) -> Result<Vec<Typed>> {
    arguments.into_iter().map(|argument| argument.cast(ValueType::Text, at)).collect()
}

pub(super) fn fixed<const N: usize>(
    name: &str,
    arguments: Vec<Typed>,
    at: Option<Position>,
) -> Result<[Typed; N]> {
    let given = arguments.len();
    arguments.try_into().map_err(|_| {
        Error::invalid(format!("{name} takes {N} arguments, and {given} were given"), at)
    })
}

/// A call of a function that is one of ours, with arguments of the types that it takes.
pub(super) fn plain(
    name: &str,
    function: Function,
    arguments: Vec<Typed>,
    at: Option<Position>,
) -> Result<Typed> {
    if !function.arguments().contains(&arguments.len()) {
        let detail = format!("{name} does not take {} arguments", arguments.len());
        return Err(Error::invalid(detail, at));
    }
    let arguments = match function {
        // As in PostgreSQL, a text that is given is read as a number, and a decimal as a double.
        Function::Math(_) | Function::Point => {
            let doubles = arguments.into_iter().map(|it| it.used_as(ValueType::F64, at));
            doubles.collect::<Result<Vec<_>>>()?
        }
        _ => arguments,
    };
    let first = arguments.first().map_or(ValueType::Null, |argument| argument.value_type);
    for (position, argument) in arguments.iter().enumerate() {
        let found = argument.value_type;
        if found != ValueType::Null && !function.argument(position).takes(found) {
            let detail = format!("argument {} of {name} may not be a {found}", position + 1);
            return Err(Error::invalid(detail, at));
        }
    }
    let value_type = function.value_type().unwrap_or_else(|| match function {
        Function::Quotient => arithmetic_type(Arithmetic::Divide, first, arguments[1].value_type),
        // What stands in a JSON text has the type that it has there.
        Function::JsonExtract => ValueType::Null,
        _ => first,
    });
    Ok(Typed::new(call(function, arguments.into_iter().map(|it| it.term)), value_type))
}

fn date_part(field: &DateTimeField, moment: Typed, at: Option<Position>) -> Result<Typed> {
    let name = field.to_string().to_lowercase();
    match part_of(&name) {
        Some(part) => of_moment(part, moment, at),
        None => Err(Error::unsupported(format!("the part {name} of a date"), at)),
    }
}

fn of_moment(part: DatePart, moment: Typed, at: Option<Position>) -> Result<Typed> {
    let moment = moment.used_as(ValueType::Timestamp, at)?;
    match moment.value_type {
        ValueType::Date | ValueType::Timestamp | ValueType::Null => {
            let part = call(Function::DatePart(part), [moment.term]);
            Ok(Typed::new(part, ValueType::I64))
        }
        found => Err(Error::invalid(format!("a {found} has no such part"), at)),
    }
}

fn part_of(name: &str) -> Option<DatePart> {
    Some(match name {
        "year" => DatePart::Year,
        "quarter" => DatePart::Quarter,
        "month" => DatePart::Month,
        "day" => DatePart::Day,
        "doy" => DatePart::DayOfYear,
        "isodow" => DatePart::Weekday,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "second" => DatePart::Second,
        "epoch" => DatePart::Epoch,
        _ => return None,
    })
}
