//! Tests of expressions on chosen values.

use lightning_db_types::{Decimal, Value, ValueType};

use super::{Arithmetic, DatePart, Expression, Function};
use crate::error::Error;

fn value(expression: &Expression) -> Value {
    let row: Vec<Value> = Vec::new();
    expression.evaluate(&row).unwrap()
}

fn refused(expression: &Expression) -> Error {
    let row: Vec<Value> = Vec::new();
    expression.evaluate(&row).unwrap_err()
}

fn decimal(text: &str) -> Expression {
    Expression::from(text.parse::<Decimal>().unwrap())
}

fn null() -> Expression {
    Expression::literal(Value::Null)
}

#[test]
fn truth_has_three_values() {
    let (yes, no) = (|| Expression::from(true), || Expression::from(false));
    let check = |expression: Expression, expected: Option<bool>| {
        assert_eq!(value(&expression), expected.into(), "{expression}");
    };
    check(null().and(no()), Some(false));
    check(null().and(yes()), None);
    check(null().or(yes()), Some(true));
    check(null().or(no()), None);
    check(null().negated(), None);
    check(Expression::And(vec![]), Some(true));
    check(Expression::Or(vec![]), Some(false));
    check(Expression::from(1_i64).equal(null()), None);
    check(Expression::from(1_i64).is_in([Expression::from(2_i64), null()]), None);
    check(Expression::from(1_i64).is_in([Expression::from(1_i64), null()]), Some(true));
    check(null().is_in::<Expression>([]), Some(false));
    check(Expression::from(5_i64).between(null(), 3_i64), Some(false));
    check(Expression::from(5_i64).between(null(), 7_i64), None);
    check(Expression::from(5_i64).between(1_i64, null()), None);
    check(Expression::from(5_i64).between(7_i64, null()), Some(false));
    check(null().is_null(), Some(true));
    check(Expression::from("ab").like("a_"), Some(true));
    check(null().like("a"), None);
}

#[test]
fn numbers_compare_by_value_and_other_types_do_not() {
    assert_eq!(value(&Expression::from(2_u64).equal(2.0)), Value::Bool(true));
    assert_eq!(value(&Expression::from(2_i64).less(decimal("2.5"))), Value::Bool(true));
    let exact = Expression::from((1_i64 << 53) + 1).equal(9_007_199_254_740_992.0);
    assert_eq!(value(&exact), Value::Bool(false));
    assert!(matches!(refused(&Expression::from(2_i64).equal("2")), Error::Type { .. }));
    assert!(matches!(refused(&Expression::from(2_i64).negated()), Error::Type { .. }));
    assert!(matches!(refused(&Expression::from(true).less(1_i64)), Error::Type { .. }));
}

#[test]
fn calculations_are_exact_or_fail() {
    use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
    let check = |left: Expression, by: Arithmetic, right: Expression, expected: Value| {
        let expression = left.arithmetic(by, right);
        let found = value(&expression);
        assert_eq!(found.value_type(), expected.value_type(), "{expression}");
        assert_eq!(found, expected, "{expression}");
    };
    let decimal_value = |text: &str| Value::Decimal(text.parse().unwrap());
    check(7_i64.into(), Divide, 2_i64.into(), Value::I64(3));
    check((-7_i64).into(), Remainder, 2_i64.into(), Value::I64(-1));
    check(7_i64.into(), Add, 2_u64.into(), Value::I64(9));
    check(7_u64.into(), Multiply, 2_u64.into(), Value::U64(14));
    check(7_i64.into(), Divide, 2.0.into(), Value::F64(3.5));
    check(decimal("0.1"), Add, decimal("0.2"), decimal_value("0.3"));
    check(decimal("1"), Divide, decimal("3"), decimal_value("0.333333"));
    check(decimal("2"), Divide, decimal("-3"), decimal_value("-0.666667"));
    check(decimal("1.5"), Multiply, 3_i64.into(), decimal_value("4.5"));
    check(Value::Date(10).into(), Add, 5_i64.into(), Value::Date(15));
    check(Value::Date(10).into(), Subtract, Value::Date(3).into(), Value::I64(7));
    check(Value::Timestamp(10).into(), Subtract, 3_i64.into(), Value::Timestamp(7));
    check(null(), Add, 1_i64.into(), Value::Null);
    let bad = [
        Expression::from(i64::MAX).plus(1_i64),
        Expression::from(i64::MIN).divided_by(-1_i64),
        Expression::from(0_u64).minus(1_u64),
        Expression::from(1_i64).divided_by(0_i64),
        Expression::from(1.0).divided_by(0.0),
        Expression::from(1_i64).remainder(0_i64),
        Expression::from(f64::MAX).times(2.0),
        decimal("99999999999999999999999999999999999999").plus(decimal("1")),
        decimal("1").divided_by(decimal("0")),
        Expression::Negate(Box::new(i64::MIN.into())),
        Expression::from(Value::Date(i32::MAX)).plus(1_i64),
    ];
    for expression in bad {
        let error = refused(&expression);
        assert!(matches!(error, Error::Evaluation { .. }), "{expression}: {error}");
    }
    assert!(matches!(refused(&Expression::from("a").plus(1_i64)), Error::Type { .. }));
}

#[test]
fn points_are_made_and_taken_apart() {
    let call = |function, arguments: Vec<Expression>| Expression::Call(function, arguments);
    let made = call(Function::Point, vec![decimal("7.5"), Expression::from(-46_i64)]);
    assert_eq!(value(&made), Value::Point { x: 7.5, y: -46.0 });
    assert_eq!(value(&call(Function::PointX, vec![made.clone()])), Value::F64(7.5));
    assert_eq!(value(&call(Function::PointY, vec![made])), Value::F64(-46.0));
    assert_eq!(value(&call(Function::Point, vec![null(), decimal("1")])), Value::Null);
    let text = call(Function::Point, vec![Expression::from(1_i64), Expression::from("1")]);
    assert!(matches!(refused(&text), Error::Type { .. }));
    let number = call(Function::PointX, vec![Expression::from(1_i64)]);
    assert!(matches!(refused(&number), Error::Type { .. }));
}

#[test]
fn functions_give_what_they_say() {
    let check = |expression: Expression, expected: Value| {
        assert_eq!(value(&expression), expected, "{expression}");
    };
    check(Expression::from("\u{c4}B").lower(), Value::from("\u{e4}b"));
    check(Expression::from("stra\u{df}e").upper(), Value::from("STRASSE"));
    check(Expression::from("\u{e9}a").length(), Value::I64(2));
    check(Expression::from(" a ").trim(), Value::from("a"));
    check(Expression::from("abcdef").substring(2_i64, 3_i64), Value::from("bcd"));
    check(Expression::from("abcdef").substring(0_i64, 3_i64), Value::from("ab"));
    check(Expression::from("abcdef").substring(9_i64, 3_i64), Value::from(""));
    check(Expression::from("a").concat("b"), Value::from("ab"));
    check(Expression::from("a").concat(null()), Value::Null);
    check(null().coalesce(3_i64), Value::I64(3));
    check(Expression::from(-3_i64).abs(), Value::I64(3));
    check(Expression::from(2.5).round(0), Value::F64(3.0));
    check(Expression::from(-2.5).round(0), Value::F64(-3.0));
    check(Expression::from(2.675).round(2), Value::F64(2.67));
    check(Expression::from(1.125).round(2), Value::F64(1.13));
    check(Expression::from(1250_i64).round(-2), Value::I64(1300));
    check(Expression::from(1250_i64).round(i64::MIN), Value::I64(0));
    check(Expression::from(1250.0).round(i64::MIN), Value::F64(0.0));
    check(decimal("2.345").round(2), Value::Decimal("2.35".parse().unwrap()));
    check(decimal("-12.5").round(-1), Value::Decimal("-10".parse().unwrap()));
    check(Expression::from("{\"a\":[3]}").json_extract("$.a[0]"), Value::I64(3));
    check(Expression::from("ab").starts_with("a"), Value::Bool(true));
    let moment = || Expression::from(Value::Timestamp(951_782_400_000_000 + 3_661_000_007));
    check(moment().date_part(DatePart::Year), Value::I64(2000));
    check(moment().date_part(DatePart::Day), Value::I64(29));
    check(moment().date_part(DatePart::DayOfYear), Value::I64(60));
    check(moment().date_part(DatePart::Weekday), Value::I64(2));
    check(moment().date_part(DatePart::Hour), Value::I64(1));
    check(moment().date_part(DatePart::Minute), Value::I64(1));
    check(moment().date_part(DatePart::Microsecond), Value::I64(7));
    assert!(matches!(refused(&Expression::from(1_i64).lower()), Error::Type { .. }));
    let short = Expression::Call(Function::Round, vec![]);
    assert!(matches!(refused(&short), Error::Evaluation { .. }));
}

#[test]
fn casts_keep_the_value_or_fail() {
    let check = |from: Expression, to: ValueType, expected: Value| {
        let cast = from.cast(to);
        let found = value(&cast);
        assert_eq!((found.value_type(), &found), (expected.value_type(), &expected), "{cast}");
    };
    check("12".into(), ValueType::I64, Value::I64(12));
    check(12_i64.into(), ValueType::Text, "12".into());
    check(2.0.into(), ValueType::I64, Value::I64(2));
    check(0.5.into(), ValueType::Decimal, Value::Decimal("0.5".parse().unwrap()));
    check("2000-02-29".into(), ValueType::Date, Value::Date(11_016));
    check(Value::Date(1).into(), ValueType::Timestamp, Value::Timestamp(86_400_000_000));
    check(Value::Date(11_016).into(), ValueType::Text, "2000-02-29".into());
    check(true.into(), ValueType::I64, Value::I64(1));
    let uuid = "00112233-4455-6677-8899-aabbccddeeff";
    let cast = Expression::from(uuid).cast(ValueType::Uuid).cast(ValueType::Text);
    assert_eq!(value(&cast), Value::from(uuid));
    for (from, to) in [
        (Expression::from(2.5), ValueType::I64),
        (Expression::from(-1_i64), ValueType::U64),
        (Expression::from((1_i64 << 53) + 1), ValueType::F64),
        (Expression::from("x"), ValueType::I64),
        (Expression::from(Value::Timestamp(1)), ValueType::Date),
        (Expression::from(2_i64), ValueType::Bool),
    ] {
        let cast = from.cast(to);
        assert!(matches!(refused(&cast), Error::Evaluation { .. }), "{cast}");
    }
}

#[test]
fn text_shows_names_and_needed_brackets() {
    let name = |position: usize| ["id", "name"][position].to_owned();
    let expression = Expression::column(0)
        .plus(1_i64)
        .times(2_i64)
        .greater(3_i64)
        .and(Expression::column(1).like_escaped("a\\%", '\\').or(Expression::column(1).is_null()))
        .and(Expression::column(1).is_not_null())
        .and(Expression::column(1).equal("it's").negated());
    assert_eq!(
        expression.display(&name).to_string(),
        "(id + 1) * 2 > 3 AND (name LIKE 'a\\%' ESCAPE '\\' OR name IS NULL) AND \
         name IS NOT NULL AND NOT name = 'it''s'"
    );
    assert_eq!(expression.columns(), [0, 1]);
    let moved = expression.map_columns(&|position| position + 3);
    assert_eq!(moved.columns(), [3, 4]);
}

#[test]
fn the_fingerprint_is_of_the_form_and_survives_the_catalog() {
    let one = Expression::column(0).lower().equal("x");
    let bytes = postcard::to_stdvec(&one).unwrap();
    let back: Expression = postcard::from_bytes(&bytes).unwrap();
    assert_eq!((&back, back.fingerprint()), (&one, one.fingerprint()));
    assert_ne!(one.fingerprint(), Expression::column(1).lower().equal("x").fingerprint());
}

#[test]
fn a_case_takes_the_first_true_condition_and_looks_no_further() {
    let by_zero = Expression::literal(1_i64).arithmetic(Arithmetic::Divide, 0_i64);
    let unknown = Expression::literal(Value::Null).equal(1_i64);
    let case = Expression::Case {
        branches: vec![
            (unknown.clone(), "unknown".into()),
            (Expression::column(0).equal(1_i64), "one".into()),
            (Expression::column(0).equal(2_i64), by_zero.clone().cast(ValueType::Text)),
        ],
        otherwise: None,
    };
    let of = |number: i64| case.evaluate(&vec![Value::I64(number)]);
    assert_eq!(of(1).unwrap(), Value::from("one"));
    assert!(matches!(of(2).unwrap_err(), Error::Evaluation { .. }));
    assert_eq!(of(3).unwrap(), Value::Null);
    assert_eq!(
        case.to_string(),
        "CASE WHEN NULL = 1 THEN 'unknown' WHEN $0 = 1 THEN 'one' \
         WHEN $0 = 2 THEN CAST(1 / 0 AS text) END"
    );
    assert_eq!(case.columns(), [0]);
    assert_eq!(value(&unknown.then(true, false)), Value::Bool(false));
}

#[test]
fn texts_are_searched_and_changed_by_characters() {
    let text = |text: &str| Expression::from(text);
    let call = |function, arguments: Vec<Expression>| value(&Expression::Call(function, arguments));
    let replace = |to| vec![text("a-b-c"), text("-"), text(to)];
    assert_eq!(call(Function::Replace, replace("")), Value::from("abc"));
    assert_eq!(call(Function::Replace, replace("--")), Value::from("a--b--c"));
    let empty = vec![text("abc"), text(""), text("x")];
    assert_eq!(call(Function::Replace, empty), Value::from("abc"));
    assert_eq!(call(Function::Position, vec![text("\u{fc}ber"), text("b")]), Value::I64(2));
    assert_eq!(call(Function::Position, vec![text("abc"), text("x")]), Value::I64(0));
    assert_eq!(call(Function::Position, vec![text("abc"), null()]), Value::Null);
    assert_eq!(call(Function::TrimStart, vec![text("  a ")]), Value::from("a "));
    assert_eq!(call(Function::TrimEnd, vec![text("  a ")]), Value::from("  a"));
    for (count, left, right) in
        [(2_i64, "\u{fc}b", "er"), (-1, "\u{fc}be", "ber"), (9, "\u{fc}ber", "\u{fc}ber")]
    {
        let arguments = || vec![text("\u{fc}ber"), Expression::from(count)];
        assert_eq!(call(Function::Left, arguments()), Value::from(left), "{count}");
        assert_eq!(call(Function::Right, arguments()), Value::from(right), "{count}");
    }
}

#[test]
fn some_functions_choose_among_their_arguments() {
    let call = |function, arguments: Vec<Expression>| value(&Expression::Call(function, arguments));
    let numbers = || vec![null(), Expression::from(2_i64), decimal("2.5"), Expression::from(-1.0)];
    assert_eq!(call(Function::Greatest, numbers()), Value::Decimal("2.5".parse().unwrap()));
    assert_eq!(call(Function::Least, numbers()), Value::F64(-1.0));
    assert_eq!(call(Function::Least, vec![null(), null()]), Value::Null);
    let pair = |other| vec![Expression::from(2_i64), other];
    assert_eq!(call(Function::NullIf, pair(decimal("2.0"))), Value::Null);
    assert_eq!(call(Function::NullIf, pair(decimal("2.1"))), Value::I64(2));
    assert_eq!(call(Function::NullIf, pair(null())), Value::I64(2));
    assert_eq!(call(Function::NullIf, vec![null(), Expression::from(2_i64)]), Value::Null);
    let texts = Expression::Call(Function::Greatest, vec!["a".into(), Expression::from(1_i64)]);
    assert!(matches!(refused(&texts), Error::Type { .. }));
}

#[test]
fn units_of_moments_begin() {
    let moment = Expression::from("2024-02-29T13:45:59.5Z").cast(ValueType::Timestamp);
    for (part, begin) in [
        (DatePart::Year, "2024-01-01T00:00:00Z"),
        (DatePart::Quarter, "2024-01-01T00:00:00Z"),
        (DatePart::Month, "2024-02-01T00:00:00Z"),
        (DatePart::Weekday, "2024-02-26T00:00:00Z"),
        (DatePart::Day, "2024-02-29T00:00:00Z"),
        (DatePart::Hour, "2024-02-29T13:00:00Z"),
        (DatePart::Minute, "2024-02-29T13:45:00Z"),
        (DatePart::Second, "2024-02-29T13:45:59Z"),
    ] {
        let found = Expression::Call(Function::DateTruncate(part), vec![moment.clone()]);
        assert_eq!(value(&found.cast(ValueType::Text)), Value::from(begin), "{part:?}");
    }
}

#[test]
fn floor_and_ceiling_keep_the_type() {
    let check = |of: Expression, floor: Value, ceiling: Value| {
        let both = [Function::Floor, Function::Ceiling];
        let found = both.map(|function| value(&Expression::Call(function, vec![of.clone()])));
        assert_eq!(found, [floor, ceiling], "{of}");
    };
    let exact = |text: &str| Value::Decimal(text.parse().unwrap());
    check(decimal("-2.5"), exact("-3"), exact("-2"));
    check(decimal("2.5"), exact("2"), exact("3"));
    check(decimal("7"), exact("7"), exact("7"));
    check(Expression::from(-2.5), Value::F64(-3.0), Value::F64(-2.0));
    check(Expression::from(-2_i64), Value::I64(-2), Value::I64(-2));
    let of = |function, of: Expression| value(&Expression::Call(function, vec![of]));
    assert_eq!(of(Function::Truncate, decimal("-2.5")), exact("-2"));
    assert_eq!(of(Function::Sign, decimal("-2.5")), exact("-1"));
    assert_eq!(of(Function::Sign, Expression::from(0.0)), Value::F64(0.0));
}
