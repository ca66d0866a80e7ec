//! Functions, and the questions that an index alone answers.

use lightning_db::tables::index::{
    Bounds, DatePart, Expression, Function, IndexKind, IndexQuery, Location, MathFunction,
    SpatialQuery, TextQuery,
};
use lightning_db::types::ValueType;

use super::Condition;
use super::lexer::TokenKind;
use super::parser::{Fault, Parsed, Parser};
use crate::spelling::did_you_mean;

const FUNCTIONS: [Function; 52] = [
    Function::Lower,
    Function::Upper,
    Function::Length,
    Function::Trim,
    Function::Substring,
    Function::Concat,
    Function::Coalesce,
    Function::Abs,
    Function::Round,
    Function::JsonExtract,
    Function::StartsWith,
    Function::Replace,
    Function::Position,
    Function::Floor,
    Function::Ceiling,
    Function::TrimStart,
    Function::TrimEnd,
    Function::Left,
    Function::Right,
    Function::Sign,
    Function::Truncate,
    Function::Greatest,
    Function::Least,
    Function::NullIf,
    Function::Quotient,
    Function::PadStart,
    Function::PadEnd,
    Function::Repeat,
    Function::Reverse,
    Function::SplitPart,
    Function::ConcatSeparated,
    Function::Capitalize,
    Function::CodePoint,
    Function::Character,
    Function::Translate,
    Function::ByteLength,
    Function::Overlay,
    Function::Hexadecimal,
    Function::Point,
    Function::PointX,
    Function::PointY,
    Function::DatePart(DatePart::Year),
    Function::DatePart(DatePart::Quarter),
    Function::DatePart(DatePart::Month),
    Function::DatePart(DatePart::Day),
    Function::DatePart(DatePart::DayOfYear),
    Function::DatePart(DatePart::Weekday),
    Function::DatePart(DatePart::Hour),
    Function::DatePart(DatePart::Minute),
    Function::DatePart(DatePart::Second),
    Function::DatePart(DatePart::Microsecond),
    Function::DatePart(DatePart::Epoch),
];

fn functions() -> impl Iterator<Item = Function> {
    FUNCTIONS.into_iter().chain(MathFunction::ALL.into_iter().map(Function::Math))
}

fn function(name: &str) -> Option<Function> {
    functions().find(|function| function.name() == name)
}

impl Parser<'_> {
    /// A function, behind its opening bracket.
    pub(super) fn call(&mut self, name: &str) -> Parsed<Condition> {
        if matches!(name, "matches" | "near" | "inside") {
            return self.question(name);
        }
        if name == "cast" {
            let operand = self.value()?;
            self.expect_keyword("AS")?;
            let TokenKind::Word(word) = self.peek().clone() else {
                return Err(self.unexpected("a type"));
            };
            let wanted = ValueType::ALL.iter().find(|of| of.name().eq_ignore_ascii_case(&word));
            let wanted = *wanted.ok_or_else(|| self.unexpected("a type such as date or i64"))?;
            self.advance();
            self.expect(")")?;
            return Ok(Condition::Plain(operand.cast(wanted)));
        }
        let Some(function) = function(name) else {
            let known = functions().map(Function::name);
            let meant = did_you_mean(name, known.chain(["matches", "near", "inside", "cast"]));
            return Err(Fault::NotFound(format!("there is no function {name}{meant}")));
        };
        let arguments = self.list(Self::value)?;
        self.expect(")")?;
        if !function.arguments().contains(&arguments.len()) {
            let given = arguments.len();
            return Err(Fault::Syntax(format!("{name} does not take {given} arguments")));
        }
        Ok(Condition::Plain(Expression::Call(function, arguments)))
    }

    /// A question that an index alone answers, behind its opening bracket.
    fn question(&mut self, name: &str) -> Parsed<Condition> {
        let (TokenKind::Word(wanted) | TokenKind::Name(wanted)) = self.advance() else {
            return Err(Fault::Syntax(format!("{name} begins with an index or a column")));
        };
        let index = self.index_for(name, &wanted)?;
        self.expect(",")?;
        let query = if name == "matches" {
            let TokenKind::Text(text) = self.advance() else {
                return Err(Fault::Syntax("matches takes words in quotes".to_owned()));
            };
            let query =
                TextQuery::parse(&text).map_err(|error| Fault::Syntax(error.to_string()))?;
            IndexQuery::Text(query)
        } else {
            let numbers = self.list(Self::plain_number)?;
            let query = match (name, &numbers[..]) {
                ("near", &[x, y, distance]) => {
                    SpatialQuery::Near { centre: Location::new(x, y), distance }
                }
                ("inside", &[x1, y1, x2, y2]) => {
                    let corners = (Location::new(x1, y1), Location::new(x2, y2));
                    SpatialQuery::Inside(Bounds::new(corners.0, corners.1))
                }
                ("near", _) => {
                    let detail = "near takes an index, x or longitude, y or latitude, a distance";
                    return Err(Fault::Syntax(detail.to_owned()));
                }
                _ => {
                    let detail = "inside takes an index, least x and y, greatest x and y";
                    return Err(Fault::Syntax(detail.to_owned()));
                }
            };
            IndexQuery::Spatial(query)
        };
        self.expect(")")?;
        Ok(Condition::Asked { index, query })
    }

    fn plain_number(&mut self) -> Parsed<f64> {
        let is_negative = self.sign("-");
        let TokenKind::Number(digits) = self.peek().clone() else {
            return Err(self.unexpected("a number"));
        };
        self.advance();
        let number: f64 = digits.parse().map_err(|_| format!("{digits} is no number"))?;
        Ok(if is_negative { -number } else { number })
    }

    /// The index of a name, or the only one that answers such questions over a column.
    fn index_for(&self, question: &str, name: &str) -> Parsed<String> {
        let answers = |kind: &IndexKind| match kind {
            IndexKind::Text(_) => question == "matches",
            IndexKind::Spatial(_) => question != "matches",
            _ => false,
        };
        let able = || {
            let indexes = self.table.indexes().map(|(index, _)| index.definition());
            indexes.filter(|definition| answers(&definition.kind))
        };
        if let Some(definition) = able().find(|definition| definition.name == name) {
            return Ok(definition.name.clone());
        }
        let column = self.columns.id(name).map(Expression::column);
        let over = |column: &Expression| {
            able().find(|it| it.parts.iter().any(|part| part.expression == *column))
        };
        if let Some(definition) = column.as_ref().and_then(over) {
            return Ok(definition.name.clone());
        }
        let kind = if question == "matches" { "text" } else { "spatial" };
        let meant = did_you_mean(name, able().map(|definition| &*definition.name));
        let table = self.table.name();
        Err(Fault::NotFound(format!(
            "there is no {kind} index {name} of table {table}, and none over such a column{meant}"
        )))
    }
}
