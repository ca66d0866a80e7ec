//! Functions of real numbers. The operating system's may differ in the last digit, so all but the
//! root, which IEEE 754 fixes, are those of `libm`: an index holds the same keys on every machine.

use lightning_db_types::{Value, ValueRef};
use serde::{Deserialize, Serialize};

use super::super::arithmetic;
use super::super::evaluate::{Evaluated, Fault};

/// A function of real numbers: it takes numbers of any type, and gives a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MathFunction {
    /// What gives the number when it is multiplied by itself; not of negative numbers.
    SquareRoot,
    /// What gives the number as its third power.
    CubeRoot,
    /// A number to the power of another, also where both are whole or decimals.
    Power,
    /// The power of e.
    Exponential,
    /// The logarithm to base e of a number above zero.
    NaturalLogarithm,
    /// The logarithm to base 10 of a number above zero.
    DecimalLogarithm,
    /// An angle in radians as one in degrees.
    Degrees,
    /// An angle in degrees as one in radians.
    Radians,
    /// The sine of an angle in radians.
    Sine,
    /// The cosine of an angle in radians.
    Cosine,
    /// The tangent of an angle in radians.
    Tangent,
    /// The angle in radians with a sine.
    ArcSine,
    /// The angle in radians with a cosine.
    ArcCosine,
    /// The angle in radians with a tangent.
    ArcTangent,
    /// The angle in radians of a point: its y, then its x.
    ArcTangent2,
}

impl MathFunction {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SquareRoot,
        Self::CubeRoot,
        Self::Power,
        Self::Exponential,
        Self::NaturalLogarithm,
        Self::DecimalLogarithm,
        Self::Degrees,
        Self::Radians,
        Self::Sine,
        Self::Cosine,
        Self::Tangent,
        Self::ArcSine,
        Self::ArcCosine,
        Self::ArcTangent,
        Self::ArcTangent2,
    ];

    /// Name as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::SquareRoot => "sqrt",
            Self::CubeRoot => "cbrt",
            Self::Power => "power",
            Self::Exponential => "exp",
            Self::NaturalLogarithm => "ln",
            Self::DecimalLogarithm => "log10",
            Self::Degrees => "degrees",
            Self::Radians => "radians",
            Self::Sine => "sin",
            Self::Cosine => "cos",
            Self::Tangent => "tan",
            Self::ArcSine => "asin",
            Self::ArcCosine => "acos",
            Self::ArcTangent => "atan",
            Self::ArcTangent2 => "atan2",
        }
    }

    /// How many numbers it takes.
    pub(super) fn arguments(self) -> usize {
        if matches!(self, Self::Power | Self::ArcTangent2) { 2 } else { 1 }
    }

    /// Why it has no value there, if it has none.
    fn refusal(self, x: f64, y: f64) -> Option<&'static str> {
        let outside = match self {
            Self::SquareRoot => x < 0.0,
            Self::Sine | Self::Cosine | Self::Tangent => x.is_infinite(),
            Self::ArcSine | Self::ArcCosine => x.abs() > 1.0,
            _ => false,
        };
        match self {
            Self::SquareRoot if outside => Some("a negative number has no square root"),
            Self::NaturalLogarithm | Self::DecimalLogarithm if x == 0.0 => {
                Some("zero has no logarithm")
            }
            Self::NaturalLogarithm | Self::DecimalLogarithm if x < 0.0 => {
                Some("a negative number has no logarithm")
            }
            Self::Power if x == 0.0 && y < 0.0 => Some("zero has no negative powers"),
            Self::Power if x < 0.0 && y.is_finite() && y.fract() != 0.0 => {
                Some("a negative number has whole powers alone")
            }
            _ if outside => Some("the argument is out of range"),
            _ => None,
        }
    }

    fn of(self, x: f64, y: f64) -> f64 {
        match self {
            Self::SquareRoot => x.sqrt(),
            Self::CubeRoot => libm::cbrt(x),
            Self::Power => libm::pow(x, y),
            Self::Exponential => libm::exp(x),
            Self::NaturalLogarithm => libm::log(x),
            Self::DecimalLogarithm => libm::log10(x),
            Self::Degrees => x / RADIANS_A_DEGREE,
            Self::Radians => x * RADIANS_A_DEGREE,
            Self::Sine => libm::sin(x),
            Self::Cosine => libm::cos(x),
            Self::Tangent => libm::tan(x),
            Self::ArcSine => libm::asin(x),
            Self::ArcCosine => libm::acos(x),
            Self::ArcTangent => libm::atan(x),
            Self::ArcTangent2 => libm::atan2(x, y),
        }
    }
}

const RADIANS_A_DEGREE: f64 = std::f64::consts::PI / 180.0;

pub(super) fn apply(
    function: MathFunction,
    first: ValueRef<'_>,
    rest: &[Evaluated<'_>],
) -> Result<Value, Fault> {
    let x = arithmetic::to_float(first)?;
    let y = rest.first().map(|value| arithmetic::to_float(value.as_value_ref()));
    let y = y.transpose()?.unwrap_or(0.0);
    if let Some(detail) = function.refusal(x, y) {
        return Err(Fault::detail(detail));
    }
    let result = function.of(x, y);
    let (of_finite, vanishes) = match function {
        MathFunction::Power => (x.is_finite() && y.is_finite(), x != 0.0),
        MathFunction::Exponential => (x.is_finite(), true),
        MathFunction::Degrees | MathFunction::Radians => (x.is_finite(), x != 0.0),
        _ => (x.is_finite() && y.is_finite(), false),
    };
    match result {
        _ if !of_finite => Ok(Value::F64(result)),
        result if result.is_infinite() => Err(Fault::detail("the result is too large")),
        0.0 if vanishes => Err(Fault::detail("the result is too small")),
        result => Ok(Value::F64(result)),
    }
}

#[cfg(test)]
mod tests {
    use lightning_db_types::{Decimal, Value, ValueType};

    use super::super::Function;
    use super::MathFunction as M;
    use crate::Expression;
    use crate::error::{Error, Result};

    fn call(function: M, arguments: &[f64]) -> Result<Value> {
        let arguments = arguments.iter().map(|it| Expression::from(*it)).collect();
        Expression::Call(Function::Math(function), arguments).evaluate(&Vec::new())
    }

    fn refused(function: M, arguments: &[f64]) -> String {
        match call(function, arguments) {
            Err(Error::Evaluation { detail, .. }) => detail,
            other => panic!("{function:?} {arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn results_are_exact_where_they_can_be() {
        let check = |function: M, arguments: &[f64], expected: f64| {
            let found = call(function, arguments).unwrap();
            assert_eq!(found, Value::F64(expected), "{function:?} {arguments:?}");
        };
        check(M::SquareRoot, &[2.25], 1.5);
        check(M::CubeRoot, &[-27.0], -3.0);
        check(M::Power, &[2.0, 10.0], 1_024.0);
        check(M::Power, &[9.0, 0.5], 3.0);
        check(M::Power, &[-2.0, 3.0], -8.0);
        check(M::Power, &[0.0, 0.0], 1.0);
        check(M::Exponential, &[0.0], 1.0);
        check(M::NaturalLogarithm, &[std::f64::consts::E], 1.0);
        for exponent in 0..=22 {
            check(M::DecimalLogarithm, &[10_f64.powi(exponent)], exponent.into());
        }
        check(M::Degrees, &[std::f64::consts::PI], 180.0);
        check(M::Radians, &[180.0], std::f64::consts::PI);
        check(M::Sine, &[0.0], 0.0);
        check(M::Cosine, &[0.0], 1.0);
        check(M::Tangent, &[0.0], 0.0);
        check(M::ArcSine, &[1.0], std::f64::consts::FRAC_PI_2);
        check(M::ArcCosine, &[1.0], 0.0);
        check(M::ArcTangent, &[f64::INFINITY], std::f64::consts::FRAC_PI_2);
        check(M::ArcTangent2, &[1.0, 0.0], std::f64::consts::FRAC_PI_2);
        check(M::ArcTangent2, &[0.0, 0.0], 0.0);
    }

    #[test]
    fn what_has_no_value_is_refused() {
        let check = |function: M, arguments: &[f64], expected: &str| {
            assert_eq!(refused(function, arguments), expected, "{function:?} {arguments:?}");
        };
        check(M::SquareRoot, &[-1.0], "a negative number has no square root");
        check(M::SquareRoot, &[f64::NEG_INFINITY], "a negative number has no square root");
        for logarithm in [M::NaturalLogarithm, M::DecimalLogarithm] {
            check(logarithm, &[0.0], "zero has no logarithm");
            check(logarithm, &[-0.0], "zero has no logarithm");
            check(logarithm, &[-1.0], "a negative number has no logarithm");
        }
        check(M::Power, &[0.0, -1.0], "zero has no negative powers");
        check(M::Power, &[-8.0, 1.0 / 3.0], "a negative number has whole powers alone");
        check(M::Power, &[10.0, 400.0], "the result is too large");
        check(M::Power, &[10.0, -400.0], "the result is too small");
        check(M::Exponential, &[1_000.0], "the result is too large");
        check(M::Exponential, &[-1_000.0], "the result is too small");
        check(M::Degrees, &[f64::MAX], "the result is too large");
        check(M::Radians, &[5e-324], "the result is too small");
        for function in [M::Sine, M::Cosine, M::Tangent] {
            check(function, &[f64::INFINITY], "the argument is out of range");
        }
        for function in [M::ArcSine, M::ArcCosine] {
            check(function, &[1.000_001], "the argument is out of range");
            check(function, &[-2.0], "the argument is out of range");
        }
        assert!(refused(M::Power, &[1.0]).contains("does not take 1 arguments"));
    }

    #[test]
    fn infinities_and_what_is_no_number_pass() {
        for function in M::ALL {
            let found = call(function, &vec![f64::NAN; function.arguments()]).unwrap();
            assert!(matches!(found, Value::F64(it) if it.is_nan()), "{function:?} {found:?}");
        }
        let value = |function, arguments: &[f64]| call(function, arguments).unwrap();
        assert_eq!(value(M::Power, &[1.0, f64::NAN]), Value::F64(1.0));
        assert_eq!(value(M::Power, &[f64::NAN, 0.0]), Value::F64(1.0));
        assert_eq!(value(M::Power, &[-1.0, f64::INFINITY]), Value::F64(1.0));
        assert_eq!(value(M::Exponential, &[f64::NEG_INFINITY]), Value::F64(0.0));
        assert_eq!(value(M::NaturalLogarithm, &[f64::INFINITY]), Value::F64(f64::INFINITY));
        assert_eq!(value(M::SquareRoot, &[f64::INFINITY]), Value::F64(f64::INFINITY));
    }

    #[test]
    fn numbers_of_all_types_are_taken_and_nulls_pass() {
        let root = |value: Value| {
            let call = Expression::literal(value).call(Function::Math(M::SquareRoot));
            call.evaluate(&Vec::new())
        };
        let exact: Decimal = "6.25".parse().unwrap();
        for (value, expected) in
            [(Value::I64(9), 3.0), (Value::U64(16), 4.0), (Value::Decimal(exact), 2.5)]
        {
            assert_eq!(root(value).unwrap(), Value::F64(expected));
        }
        assert_eq!(root(Value::Null).unwrap(), Value::Null);
        let refused = root(Value::from("9")).unwrap_err();
        assert!(matches!(refused, Error::Type { found: ValueType::Text, .. }), "{refused}");
    }

    /// Indexes hold these results: where one changes, `FUNCTIONS_VERSION` must be raised.
    #[test]
    fn the_last_bits_are_the_same_on_every_machine() {
        let bits = M::ALL.map(|function| {
            let arguments = [0.7, 0.3];
            match call(function, &arguments[..function.arguments()]).unwrap() {
                Value::F64(result) => format!("{} {:016x}", function.name(), result.to_bits()),
                other => panic!("{other:?}"),
            }
        });
        let expected = [
            "sqrt 3feac5eb3f7ab2f8",
            "cbrt 3fec69b5a72f1a99",
            "power 3fecc0b43ba5c3da",
            "exp 40001c2a61268987",
            "ln bfd6d3c324e13f50",
            "log10 bfc3d3d3d21ccf04",
            "degrees 40440db3ac12a160",
            "radians 3f890562e34075b6",
            "sin 3fe49d6e694619b8",
            "cos 3fe87996529f9d93",
            "tan 3feaf406c2fc78ae",
            "asin 3fe8d00e692afd95",
            "acos 3fe973e83f5d5c9b",
            "atan 3fe38b112d7bd4ad",
            "atan2 3ff2a78b84fbf5fc",
        ];
        assert_eq!(bits, expected);
    }
}
