//! Polygons as well-known text: `POLYGON ((x y, x y, ..), (hole), ..)`.
//!
//! Source: OGC 06-103r4, "Simple feature access", section 7.

use std::str::FromStr;

use super::Polygon;
use crate::spatial::place::Location;

/// Why a text is no polygon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no polygon at byte {position}: {expected} is expected")]
pub struct PolygonError {
    /// Where.
    pub position: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl FromStr for Polygon {
    type Err = PolygonError;

    fn from_str(text: &str) -> Result<Self, PolygonError> {
        let mut reader = WktReader { text, position: 0 };
        reader.word("POLYGON")?;
        let mut rings = reader.list(|reader| reader.list(WktReader::location))?;
        if !reader.rest().is_empty() {
            return Err(reader.expected("the end"));
        }
        let holes = rings.split_off(1);
        let outer = rings.pop().unwrap_or_default();
        Ok(Self { outer, holes })
    }
}

struct WktReader<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> WktReader<'a> {
    fn expected(&self, expected: &'static str) -> PolygonError {
        PolygonError { position: self.position, expected }
    }

    /// What is left, without white space before it.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.position..];
        let trimmed = rest.trim_start();
        self.position += rest.len() - trimmed.len();
        trimmed
    }

    fn word(&mut self, word: &'static str) -> Result<(), PolygonError> {
        let rest = self.rest();
        match rest.get(..word.len()) {
            Some(found) if found.eq_ignore_ascii_case(word) => {
                self.position += word.len();
                Ok(())
            }
            _ => Err(self.expected(word)),
        }
    }

    /// At least one of something, in parentheses, with commas.
    fn list<T>(
        &mut self,
        one: impl Fn(&mut Self) -> Result<T, PolygonError>,
    ) -> Result<Vec<T>, PolygonError> {
        self.word("(")?;
        let mut all = vec![one(self)?];
        while self.word(",").is_ok() {
            all.push(one(self)?);
        }
        self.word(")")?;
        Ok(all)
    }

    fn location(&mut self) -> Result<Location, PolygonError> {
        Ok(Location::new(self.number()?, self.number()?))
    }

    fn number(&mut self) -> Result<f64, PolygonError> {
        let rest = self.rest();
        let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
        let text = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        let number = text.parse().map_err(|_| self.expected("a number"))?;
        self.position += text.len();
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_read_with_any_white_space() {
        let square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.5), (0.0, 0.0)];
        let ring = |points: &[(f64, f64)]| -> Vec<Location> {
            points.iter().map(|(x, y)| Location::new(*x, *y)).collect()
        };
        let hole = [(1.0, 1.0), (2.0, 1.0), (-1e1, 2.0)];
        let polygon = Polygon::new(ring(&square)).with_hole(ring(&hole));
        for text in [
            "POLYGON((0 0,4 0,4 4.5,0 0),(1 1,2 1,-1e1 2))",
            " polygon ( ( 0 0 , 4 0,\n4 4.5, 0 0 ) , (1 1, 2 1, -1e1 2) ) ",
        ] {
            assert_eq!(text.parse(), Ok(polygon.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, position, expected) in [
            ("", 0, "POLYGON"),
            ("POINT(1 2)", 0, "POLYGON"),
            ("POLYGON EMPTY", 8, "("),
            ("POLYGON(())", 9, "a number"),
            ("POLYGON((1 2, 3))", 15, "a number"),
            ("POLYGON((1 2)", 13, ")"),
            ("POLYGON((1 2)) x", 15, "the end"),
            ("POLYGON((1 z))", 11, "a number"),
            ("POL\u{e9}", 0, "POLYGON"),
        ] {
            let error = PolygonError { position, expected };
            assert_eq!(text.parse::<Polygon>(), Err(error), "{text}");
        }
    }
}
