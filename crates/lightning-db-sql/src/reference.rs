//! What functions and statements there are, each with an example: the list that names are looked up
//! in when one is misspelt, and from which a page of the book is made.

/// A function, or a statement.
#[cfg_attr(not(test), expect(dead_code, reason = "a test makes the page of it"))]
pub(crate) struct Entry {
    /// How it is written; a function's name ends at the first parenthesis.
    pub(crate) usage: &'static str,
    /// What it does.
    what: &'static str,
    /// An expression or statements, whose result the page shows.
    example: &'static str,
}

impl Entry {
    /// The name of a function.
    pub(crate) fn name(&self) -> &'static str {
        self.usage.split(['(', ' ']).next().unwrap_or_default()
    }
}

const fn entry(usage: &'static str, what: &'static str, example: &'static str) -> Entry {
    Entry { usage, what, example }
}

/// All functions, by groups.
pub(crate) const FUNCTIONS: [(&str, &[Entry]); 8] = [
    ("Numbers", NUMBERS),
    ("Texts", TEXTS),
    ("Moments", MOMENTS),
    ("Any type", ANY),
    ("Aggregates", AGGREGATES),
    ("Over windows", WINDOWS),
    ("Texts that are searched", SEARCH),
    ("Places", PLACES),
];

const NUMBERS: &[Entry] = &[
    entry("abs(number)", "without its sign", "abs(-1.5)"),
    entry("acos(number)", "the angle in radians with a cosine", "acos(1)"),
    entry("asin(number)", "the angle in radians with a sine", "asin(0)"),
    entry("atan(number)", "the angle in radians with a tangent", "atan(1)"),
    entry("atan2(y, x)", "the angle in radians of a point", "atan2(1, -1)"),
    entry("cbrt(number)", "the cube root, a double", "cbrt(-27)"),
    entry("ceil(number), ceiling", "up to a whole number", "ceil(1.2)"),
    entry("cos(angle)", "the cosine of an angle in radians", "cos(0)"),
    entry("degrees(angle)", "an angle in radians as one in degrees", "degrees(pi())"),
    entry("div(number, number)", "a quotient without what is behind its point", "div(-7.5, 2)"),
    entry("exp(number)", "the power of e, a double", "exp(1)"),
    entry("floor(number)", "down to a whole number", "floor(-1.2)"),
    entry("ln(number)", "the logarithm to base e of a number above zero", "ln(exp(2))"),
    entry("log(base, number)", "the logarithm to a base", "log(2, 64)"),
    entry("log10(number), log", "the logarithm to base 10 of a number above zero", "log10(1000)"),
    entry("mod(number, number)", "the rest of a division, as `%`", "mod(-7, 3)"),
    entry("pi()", "half of the circle in radians", "pi()"),
    entry(
        "power(number, number), pow",
        "the power, a double also of whole numbers and decimals",
        "power(2, 0.5)",
    ),
    entry("radians(angle)", "an angle in degrees as one in radians", "radians(180)"),
    entry(
        "round(number [, digits])",
        "to so many digits, halves away from zero",
        "round(2.345, 2)",
    ),
    entry("sign(number)", "-1, 0 or 1", "sign(-3)"),
    entry("sin(angle)", "the sine of an angle in radians", "sin(radians(90))"),
    entry("sqrt(number)", "the square root of a number not below zero, a double", "sqrt(6.25)"),
    entry("tan(angle)", "the tangent of an angle in radians", "tan(0)"),
    entry("trunc(number [, digits])", "towards zero, to so many digits", "trunc(-1.987, 2)"),
];

const TEXTS: &[Entry] = &[
    entry("ascii(text)", "the number of its first character in Unicode", "ascii('Z\u{fc}rich')"),
    entry("char_length(text), character_length", "characters", "char_length('Z\u{fc}rich')"),
    entry("chr(number)", "the character of a number in Unicode", "chr(252)"),
    entry("concat(value, ..)", "one behind the other; nulls are empty", "concat('a', 1, NULL)"),
    entry(
        "concat_ws(separator, value, ..)",
        "one behind the other, with the first between; without nulls",
        "concat_ws(', ', 'a', NULL, 2)",
    ),
    entry("initcap(text)", "words with a first capital", "initcap('la CHAUX-de-fonds')"),
    entry(
        "json_extract(json, path)",
        "what stands at a path",
        "json_extract('{\"a\": [1, 2]}', '$.a[1]')",
    ),
    entry("left(text, count)", "the first characters", "left('lightning', 5)"),
    entry("length(text)", "characters of a text, or bytes", "length('x')"),
    entry("lower(text)", "in small letters", "lower('Bern')"),
    entry(
        "lpad(text, length [, fill])",
        "cut, or filled up at its begin; no longer than 16 MiB",
        "lpad('7', 3, '0')",
    ),
    entry(
        "ltrim(text [, characters])",
        "without space or some characters before it",
        "ltrim('  x ')",
    ),
    entry("octet_length(text)", "bytes of a text, or bytes", "octet_length('Z\u{fc}rich')"),
    entry(
        "overlay(text PLACING text FROM from [FOR count])",
        "with another text from a character on",
        "overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4)",
    ),
    entry(
        "position(text IN text)",
        "where a text stands in another, from 1",
        "position('t' IN 'city')",
    ),
    entry("repeat(text, count)", "so many times; no longer than 16 MiB", "repeat('ab', 3)"),
    entry(
        "replace(text, old, new)",
        "with another text in the place of one",
        "replace('abca', 'a', 'x')",
    ),
    entry("reverse(text)", "from its last character to its first", "reverse('Bern')"),
    entry("right(text, count)", "the last characters", "right('lightning', 4)"),
    entry(
        "rpad(text, length [, fill])",
        "cut, or filled up at its end; no longer than 16 MiB",
        "rpad('Bern', 6, '.')",
    ),
    entry(
        "rtrim(text [, characters])",
        "without space or some characters behind it",
        "rtrim('1.500', '0')",
    ),
    entry(
        "split_part(text, separator, field)",
        "a field, counted from 1, or from -1 at the end",
        "split_part('a/b/c', '/', -1)",
    ),
    entry("starts_with(text, text)", "whether it begins so", "starts_with('city', 'ci')"),
    entry("strpos(text, text), instr", "as position, the text first", "strpos('city', 't')"),
    entry(
        "substring(text, from [, count]), substr",
        "a part of it, counted from 1",
        "substring('lightning', 6, 3)",
    ),
    entry("to_hex(number)", "a whole number in hexadecimal digits", "to_hex(255)"),
    entry(
        "translate(text, old, new)",
        "with other characters in the place of some",
        "translate('2024-02', '-0', '/')",
    ),
    entry(
        "trim([BOTH | LEADING | TRAILING] [characters FROM] text), btrim",
        "without space or some characters around it",
        "trim(BOTH 'x' FROM 'xxBernx')",
    ),
    entry("upper(text)", "in capital letters", "upper('Bern')"),
];

const MOMENTS: &[Entry] = &[
    entry(
        "current_date",
        "the day on which the transaction began",
        "current_date > DATE '2024-01-01'",
    ),
    entry(
        "current_timestamp, localtimestamp",
        "the moment at which it began, as now()",
        "current_timestamp = now()",
    ),
    entry(
        "date_part(part, moment)",
        "as `extract(part FROM moment)`: year, quarter, month, day, doy, isodow, hour, minute, \
         second, epoch",
        "date_part('year', DATE '2024-02-29')",
    ),
    entry(
        "date_trunc(unit, moment)",
        "the begin of its year, quarter, month, week, day, hour, minute or second",
        "date_trunc('week', TIMESTAMP '2024-02-29 12:00:00') = TIMESTAMP '2024-02-26 00:00:00'",
    ),
    entry(
        "extract(part FROM moment)",
        "a part of a moment",
        "extract(QUARTER FROM DATE '2024-05-01')",
    ),
    entry(
        "now(), transaction_timestamp()",
        "the moment at which the transaction began",
        "now() IS NOT NULL",
    ),
];

const ANY: &[Entry] = &[
    entry("coalesce(value, ..)", "the first that is not null", "coalesce(NULL, 2, 3)"),
    entry("greatest(value, ..)", "the greatest that is not null", "greatest(1, NULL, 3)"),
    entry(
        "grouping(column, ..)",
        "a bit for each column that the grouping set has not",
        "(SELECT grouping(x) FROM (VALUES (1)) t (x) GROUP BY ROLLUP (x) ORDER BY 1 DESC \
         LIMIT 1)",
    ),
    entry("ifnull(value, value)", "as coalesce of two", "ifnull(NULL, 'none')"),
    entry("least(value, ..)", "the least that is not null", "least(1, NULL, 3)"),
    entry("nullif(value, value)", "null if both are equal, else the first", "nullif(2, 2)"),
];

const AGGREGATES: &[Entry] = &[
    entry("avg([DISTINCT] number)", "the mean; exact for whole numbers and decimals", "avg(n)"),
    entry("bool_and(truth), every", "whether all are true", "bool_and(n > 1)"),
    entry("bool_or(truth)", "whether one is true", "bool_or(n > 1)"),
    entry("count(*), count([DISTINCT] value)", "rows, or values that are not null", "count(*)"),
    entry("max(value)", "the greatest", "max(n)"),
    entry("min(value)", "the least", "min(n)"),
    entry(
        "stddev(number), stddev_samp",
        "the standard deviation of what the values are a sample of, a double",
        "stddev(n)",
    ),
    entry("stddev_pop(number)", "the standard deviation of the values", "stddev_pop(n)"),
    entry(
        "sum([DISTINCT] number)",
        "the sum; an error if it does not fit",
        "sum(n) FILTER (WHERE n < 3)",
    ),
    entry("var_pop(number)", "the variance of the values", "var_pop(n)"),
    entry(
        "variance(number), var_samp",
        "the variance of what the values are a sample of, a double",
        "variance(n)",
    ),
];

const WINDOWS: &[Entry] = &[
    entry(
        "cume_dist()",
        "share of rows up to the last that is equal in the order",
        "cume_dist() OVER (ORDER BY n)",
    ),
    entry("dense_rank()", "number of the value in the order", "dense_rank() OVER (ORDER BY n)"),
    entry(
        "first_value(value)",
        "of the first row of the frame",
        "first_value(n) OVER (ORDER BY n DESC)",
    ),
    entry(
        "lag(value [, rows [, default]])",
        "of a row before this one",
        "lag(n, 1, 0) OVER (ORDER BY n)",
    ),
    entry("last_value(value)", "of the last row of the frame", "last_value(n) OVER (ORDER BY n)"),
    entry(
        "lead(value [, rows [, default]])",
        "of a row behind this one",
        "lead(n) OVER (ORDER BY n)",
    ),
    entry("nth_value(value, number)", "of a row of the frame", "nth_value(n, 2) OVER (ORDER BY n)"),
    entry("ntile(parts)", "which of so many parts the row is in", "ntile(2) OVER (ORDER BY n)"),
    entry("percent_rank()", "rank, from 0 to 1", "percent_rank() OVER (ORDER BY n)"),
    entry(
        "rank()",
        "number of the first row that is equal in the order",
        "rank() OVER (ORDER BY n)",
    ),
    entry("row_number()", "number of the row", "row_number() OVER (ORDER BY n)"),
];

#[cfg(feature = "text")]
const SEARCH: &[Entry] = &[
    entry(
        "match(column, query)",
        "whether the words of a query match, by a text index",
        "match(note, 'bears -fish')",
    ),
    entry("score([column])", "how well they match, by BM25", "score() > 0"),
    entry(
        "snippet(column [, before, behind])",
        "the part of the text that shows the most of the query",
        "snippet(note, '[', ']')",
    ),
];
#[cfg(not(feature = "text"))]
const SEARCH: &[Entry] = &[];

const PLACES: &[Entry] = &[
    entry(
        "plane_distance(point, point)",
        "their distance on the plane",
        "plane_distance(at, point(7, 50))",
    ),
    entry(
        "plane_dwithin(point, point, distance)",
        "whether it is at most so far",
        "plane_dwithin(at, point(7, 50), 3.5)",
    ),
    entry(
        "plane_within(point, polygon)",
        "whether it lies in a polygon of WKT",
        "plane_within(at, 'POLYGON ((0 0, 9 0, 9 99, 0 0))')",
    ),
    entry("point(x, y), st_point", "a point of two numbers", "point(7.5, 47) = at"),
    entry(
        "st_distance(point, point)",
        "metres on the sphere; longitude is first",
        "round(st_distance(at, point(7, 47)))",
    ),
    entry(
        "st_dwithin(point, point, metres)",
        "whether it is at most so far",
        "st_dwithin(at, point(7.4, 47), 20000)",
    ),
    entry(
        "st_within(point, polygon)",
        "whether it lies in a polygon of WKT",
        "st_within(at, 'POLYGON ((6 46, 8 46, 8 48, 6 46))')",
    ),
    entry("st_x(point)", "its x, a longitude on the sphere", "st_x(at)"),
    entry("st_y(point)", "its y, a latitude on the sphere", "st_y(point(7, 46.5 + 1))"),
];

/// Names of functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|(_, entries)| entries.iter().map(Entry::name))
}

#[cfg(test)]
mod tests;
