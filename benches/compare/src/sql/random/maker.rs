//! Makes tables and queries that both engines understand alike.
//!
//! What differs between the engines by design is left out: division by zero, whole numbers that
//! overflow, casts that round, whole numbers and doubles in one CASE, orders without NULLS FIRST.

use crate::workload::Rng;

/// Whole numbers of every relation.
const WHOLE: [&str; 3] = ["id", "small", "many"];
const COLUMNS: &str = "id, small, many, part, word";
const WORDS: [&str; 6] = ["'red'", "'green'", "'Blue'", "''", "'redder'", "NULL"];
const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];
/// Relations of one FROM clause.
const RELATIONS: usize = 3;
const DEPTH: usize = 2;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    Part,
    Word,
}

/// Names of the relations that a term may use.
type Names = [String];

/// Makes tables and queries from a seed.
pub(super) struct Maker {
    rng: Rng,
    /// Relations named so far.
    names: usize,
    /// Queries that WITH names in the query that is being made.
    named: Vec<String>,
}

impl Maker {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), names: 0, named: Vec::new() }
    }

    /// Forgets the names of the statement before.
    pub(super) fn begin(&mut self) {
        self.names = 0;
        self.named.clear();
    }

    /// A number below another.
    pub(super) fn index(&mut self, below: usize) -> usize {
        self.rng.index(below)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.index(of.len())]
    }

    fn is_one_in(&mut self, of: u64) -> bool {
        self.rng.below(of) == 0
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("r{}", self.names)
    }

    /// Statements that make three tables with rows and indexes.
    pub(super) fn tables(&mut self) -> String {
        let mut statements = Vec::new();
        for table in ["a", "b", "c"] {
            statements.push(format!(
                "CREATE TABLE {table} (id INTEGER PRIMARY KEY, small BIGINT, many BIGINT, \
                 part DOUBLE PRECISION, word TEXT)"
            ));
            let indexes = ["small, many", "many DESC", "word, small", "part", "lower(word)"];
            for (number, columns) in indexes.into_iter().enumerate() {
                if self.is_one_in(3) {
                    statements.push(format!(
                        "CREATE INDEX {table}_{number} ON {table} USING btree ({columns})"
                    ));
                }
            }
            let count = if self.is_one_in(8) { 0 } else { 5 + self.rng.below(30) };
            let rows: Vec<String> = (0..count).map(|id| self.row(id)).collect();
            if !rows.is_empty() {
                statements.push(format!("INSERT INTO {table} VALUES {}", rows.join(", ")));
            }
        }
        statements.join(";")
    }

    pub(super) fn row(&mut self, id: u64) -> String {
        let small =
            if self.is_one_in(6) { "NULL".to_owned() } else { self.rng.below(5).to_string() };
        let (many, part, word) = (self.whole_value(), self.part_value(), self.one(&WORDS));
        format!("({id}, {small}, {many}, {part}, {word})")
    }

    fn whole_value(&mut self) -> String {
        match self.rng.below(6) {
            0 => "NULL".to_owned(),
            1 => format!("-{}", self.rng.below(5)),
            _ => self.rng.below(35).to_string(),
        }
    }

    /// Quarters, whose sums are exact.
    fn part_value(&mut self) -> String {
        let quarters = self.rng.below(60) as f64 - 10.0;
        if self.is_one_in(6) { "NULL".to_owned() } else { format!("{:?}", quarters / 4.0) }
    }

    fn column(&mut self, names: &Names, kind: Kind) -> String {
        let name = &names[self.rng.index(names.len())];
        match kind {
            Kind::Whole => format!("{name}.{}", self.one(&WHOLE)),
            Kind::Part => format!("{name}.part"),
            Kind::Word => format!("{name}.word"),
        }
    }

    fn kind(&mut self) -> Kind {
        [Kind::Whole, Kind::Whole, Kind::Part, Kind::Word][self.rng.index(4)]
    }

    pub(super) fn term(&mut self, names: &Names, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.is_one_in(3) {
            if self.is_one_in(3) {
                return match kind {
                    Kind::Whole => format!("CAST({} AS BIGINT)", self.whole_value()),
                    Kind::Part => format!("CAST({} AS DOUBLE PRECISION)", self.part_value()),
                    Kind::Word => format!("CAST({} AS TEXT)", self.one(&WORDS)),
                };
            }
            return self.column(names, kind);
        }
        let of = |this: &mut Self| this.term(names, kind, depth - 1);
        match self.rng.below(6) {
            0 => format!("coalesce({}, {})", of(self), of(self)),
            1 => format!("nullif({}, {})", of(self), of(self)),
            2 => {
                let (test, value, other) = (self.condition(names, depth - 1), of(self), of(self));
                let otherwise = self.one(&["", " ELSE "]);
                let other = if otherwise.is_empty() { "" } else { &other };
                format!("CASE WHEN {test} THEN {value}{otherwise}{other} END")
            }
            3 => self.subquery(names, kind),
            _ => self.call(names, kind, depth - 1),
        }
    }

    /// What is calculated from terms of its own kind.
    fn call(&mut self, names: &Names, kind: Kind, depth: usize) -> String {
        let left = self.term(names, kind, depth);
        match kind {
            Kind::Word => match self.rng.below(4) {
                0 => format!("lower({left})"),
                1 => format!("upper({left})"),
                2 => format!("replace({left}, 'e', 'x')"),
                _ => format!("({left} || {})", self.term(names, kind, depth)),
            },
            Kind::Whole => match self.rng.below(6) {
                0 => format!("abs({left})"),
                1 => format!("(- {left})"),
                2 => format!("length({})", self.term(names, Kind::Word, depth)),
                3 => format!("({left} {} {})", self.one(&["/", "%"]), 2 + self.rng.below(5)),
                _ => {
                    let operator = self.one(&["+", "-", "*"]);
                    format!("({left} {operator} {})", self.term(names, kind, 0))
                }
            },
            Kind::Part => match self.rng.below(4) {
                0 => format!("abs({left})"),
                1 => format!("({left} / 2)"),
                _ => {
                    let (operator, other) = (self.one(&["+", "-", "*"]), self.kind());
                    let other = if other == Kind::Word { kind } else { other };
                    format!("({left} {operator} {})", self.term(names, other, 0))
                }
            },
        }
    }

    /// A subquery of one value, which may name the rows around it.
    fn subquery(&mut self, names: &Names, kind: Kind) -> String {
        let (from, inner) = self.relation();
        let aggregate = self.aggregate(std::slice::from_ref(&inner), kind);
        let condition = self.correlated(names, &inner);
        format!("(SELECT {aggregate} FROM {from} WHERE {condition})")
    }

    /// A condition on the rows of a subquery, which often names those around it.
    fn correlated(&mut self, names: &Names, inner: &str) -> String {
        let inner = [inner.to_owned()];
        let mut condition = self.condition(&inner, 1);
        if self.is_one_in(2) {
            let kind = self.kind();
            let (left, right) = (self.column(&inner, kind), self.column(names, kind));
            let operator = self.one(&["=", "=", "=", "<", "<>"]);
            condition = format!("{left} {operator} {right} AND {condition}");
        }
        condition
    }

    fn aggregate(&mut self, names: &Names, kind: Kind) -> String {
        let term = self.term(names, kind, 1);
        let distinct = self.one(&["", "", "DISTINCT "]);
        let call = match (kind, self.rng.below(4)) {
            (Kind::Whole, 0) => "count(*)".to_owned(),
            (Kind::Whole, 1) => {
                let kind = self.kind();
                format!("count({distinct}{})", self.term(names, kind, 1))
            }
            (Kind::Whole | Kind::Part, 2) => format!("sum({distinct}{term})"),
            (Kind::Part, 3) => format!("avg({distinct}{term})"),
            _ => format!("{}({term})", self.one(&["min", "max"])),
        };
        if self.is_one_in(5) {
            return format!("{call} FILTER (WHERE {})", self.condition(names, 1));
        }
        call
    }

    pub(super) fn condition(&mut self, names: &Names, depth: usize) -> String {
        let below = depth.saturating_sub(1);
        match self.rng.below(if depth == 0 { 6 } else { 12 }) {
            0..=2 => {
                let kind = self.kind();
                let (left, right) = (self.term(names, kind, below), self.term(names, kind, 0));
                let operator = match self.rng.below(8) {
                    0 => self.one(&["IS DISTINCT FROM", "IS NOT DISTINCT FROM"]),
                    _ => self.one(&COMPARISONS),
                };
                format!("{left} {operator} {right}")
            }
            3 => {
                let kind = self.kind();
                let term = self.term(names, kind, below);
                format!("{term} IS {}NULL", self.one(&["", "NOT "]))
            }
            4 => {
                let (not, low) = (self.one(&["", "NOT "]), self.rng.below(20));
                let term = self.term(names, Kind::Whole, below);
                format!("{term} {not}BETWEEN {low} AND {}", low + self.rng.below(20))
            }
            5 => {
                let (not, more) = (self.one(&["", "NOT "]), self.one(&["", "", ", NULL"]));
                let term = self.term(names, Kind::Whole, below);
                format!("{term} {not}IN (1, {}{more})", self.rng.below(30))
            }
            6 => {
                let (left, right) = (self.condition(names, below), self.condition(names, below));
                let operator = self.one(&["AND", "OR"]);
                // Both read the same text, so that what binds stronger is asked as well.
                match self.rng.below(3) {
                    0 => format!("{left} {operator} {right}"),
                    _ => format!("({left} {operator} {right})"),
                }
            }
            7 => format!("NOT ({})", self.condition(names, below)),
            8 => {
                let pattern = self.one(&["'%e%'", "'r_d%'", "'%d'", "''", "'B%'"]);
                let term = self.term(names, Kind::Word, below);
                format!("{term} {}LIKE {pattern}", self.one(&["", "NOT "]))
            }
            9 | 10 => {
                let (from, inner) = self.relation();
                let (within, not) = (self.correlated(names, &inner), self.one(&["", "NOT "]));
                format!("{not}EXISTS (SELECT 1 FROM {from} WHERE {within})")
            }
            _ => {
                let (kind, (from, inner)) = (self.kind(), self.relation());
                let (within, not) = (self.correlated(names, &inner), self.one(&["", "NOT "]));
                let left = self.column(names, kind);
                let right = self.term(std::slice::from_ref(&inner), kind, 1);
                format!("{left} {not}IN (SELECT {right} FROM {from} WHERE {within})")
            }
        }
    }

    /// A relation with the columns of all, and its name.
    fn relation(&mut self) -> (String, String) {
        let name = self.name();
        let from = if !self.named.is_empty() && self.is_one_in(3) {
            self.named[self.rng.index(self.named.len())].clone()
        } else {
            self.one(&["a", "b", "c"]).to_owned()
        };
        (format!("{from} {name}"), name)
    }

    /// A query with the columns of all relations, for FROM and WITH.
    fn derived(&mut self) -> String {
        let (from, name) = self.relation();
        let names = [name];
        let condition = self.condition(&names, 1);
        match self.rng.below(5) {
            0 => {
                let terms = [Kind::Whole, Kind::Whole, Kind::Part, Kind::Word];
                let [small, many, part, word] = terms.map(|kind| self.term(&names, kind, 1));
                format!(
                    "SELECT {0}.id AS id, {small} AS small, {many} AS many, {part} AS part, \
                     {word} AS word FROM {from} WHERE {condition}",
                    names[0]
                )
            }
            1 => format!(
                "SELECT min({0}.id) AS id, {0}.small AS small, {many} AS many, {part} AS part, \
                 {word} AS word FROM {from} WHERE {condition} GROUP BY {0}.small",
                names[0],
                many = self.aggregate(&names, Kind::Whole),
                part = self.aggregate(&names, Kind::Part),
                word = self.aggregate(&names, Kind::Word),
            ),
            2 => {
                let set = self.one(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
                let (other, its_name) = self.relation();
                let other_condition = self.condition(&[its_name], 1);
                format!(
                    "SELECT {COLUMNS} FROM {from} WHERE {condition} {set} SELECT {COLUMNS} FROM \
                     {other} WHERE {other_condition}"
                )
            }
            3 => format!(
                "SELECT {COLUMNS} FROM {from} WHERE {condition} ORDER BY many {} NULLS {}, id, \
                 small NULLS LAST, part NULLS LAST, word NULLS FIRST LIMIT {} OFFSET {}",
                self.one(&["ASC", "DESC"]),
                self.one(&["FIRST", "LAST"]),
                self.rng.below(9),
                self.rng.below(3),
            ),
            _ => format!("SELECT {COLUMNS} FROM {from} WHERE {condition}"),
        }
    }

    /// A FROM clause, and the names in it.
    fn from(&mut self) -> (String, Vec<String>) {
        let (mut from, mut names) = (String::new(), Vec::new());
        for number in 0..=self.rng.index(RELATIONS) {
            let (relation, name) = if self.is_one_in(4) {
                let (query, name) = (self.derived(), self.name());
                (format!("({query}) {name}"), name)
            } else {
                self.relation()
            };
            if number == 0 {
                from = relation;
                names.push(name);
                continue;
            }
            let join = self.one(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "FULL JOIN"]);
            let kind = self.kind();
            let (left, right) =
                (self.column(&names, kind), self.column(std::slice::from_ref(&name), kind));
            names.push(name);
            let mut on = format!("{left} = {right}");
            if self.is_one_in(3) && join != "FULL JOIN" {
                on = format!("{on} AND {}", self.condition(&names, 1));
            }
            from = format!("{from} {join} {relation} ON {on}");
        }
        (from, names)
    }

    /// A query, and whether its rows are in an order.
    pub(super) fn query(&mut self) -> (String, bool) {
        self.begin();
        let mut with = Vec::new();
        while self.is_one_in(5) {
            let query = self.derived();
            let name = format!("w{}", with.len());
            with.push(format!("{name} AS ({query})"));
            self.named.push(name);
        }
        let with =
            if with.is_empty() { String::new() } else { format!("WITH {} ", with.join(", ")) };
        let kinds: Vec<Kind> = (0..=self.rng.below(3)).map(|_| self.kind()).collect();
        let mut body = self.select(&kinds);
        if self.is_one_in(6) {
            let set = self.one(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
            body = format!("{body} {set} {}", self.select(&kinds));
        }
        if !self.is_one_in(3) {
            return (format!("{with}{body}"), false);
        }
        // By all that is selected: rows that are equal in it are not told apart.
        let orders: Vec<String> = (1..=kinds.len())
            .map(|position| {
                let (way, nulls) = (self.one(&["ASC", "DESC"]), self.one(&["FIRST", "LAST"]));
                format!("{position} {way} NULLS {nulls}")
            })
            .collect();
        let limit = match self.rng.below(3) {
            0 => String::new(),
            1 => format!(" LIMIT {}", self.rng.below(9)),
            _ => format!(" LIMIT {} OFFSET {}", self.rng.below(9), self.rng.below(5)),
        };
        (format!("{with}{body} ORDER BY {}{limit}", orders.join(", ")), true)
    }

    /// A SELECT of values of these kinds.
    fn select(&mut self, kinds: &[Kind]) -> String {
        let (from, names) = self.from();
        let condition = match self.rng.below(4) {
            0 => String::new(),
            _ => format!(" WHERE {}", self.condition(&names, DEPTH)),
        };
        let many = |this: &mut Self, make: &dyn Fn(&mut Self, Kind) -> String| {
            let terms: Vec<String> = kinds.iter().map(|kind| make(this, *kind)).collect();
            terms.join(", ")
        };
        match self.rng.below(6) {
            0 => {
                let items = many(self, &|this, kind| this.aggregate(&names, kind));
                format!("SELECT {items} FROM {from}{condition}")
            }
            1 | 2 => {
                let group = self.term(&names, kinds[0], 1);
                let rest: Vec<String> =
                    kinds[1..].iter().map(|kind| self.aggregate(&names, *kind)).collect();
                let items = [vec![group.clone()], rest].concat().join(", ");
                let having = if self.is_one_in(3) {
                    format!(" HAVING {} > 1", self.aggregate(&names, Kind::Whole))
                } else {
                    String::new()
                };
                // A subquery in GROUP BY is another than the same text that is selected.
                let by = if group.contains("SELECT") || group.starts_with("CAST") {
                    "1".to_owned()
                } else {
                    group
                };
                format!("SELECT {items} FROM {from}{condition} GROUP BY {by}{having}")
            }
            3 => {
                let items = many(self, &|this, kind| this.window(&names, kind));
                format!("SELECT {items} FROM {from}{condition}")
            }
            other => {
                let distinct = if other == 4 { "DISTINCT " } else { "" };
                let items = many(self, &|this, kind| this.term(&names, kind, DEPTH));
                format!("SELECT {distinct}{items} FROM {from}{condition}")
            }
        }
    }

    /// A window function whose value is the same whatever the order of equal rows.
    fn window(&mut self, names: &Names, kind: Kind) -> String {
        let partition = if self.rng.below(3) == 0 {
            String::new()
        } else {
            let kind = self.kind();
            format!("PARTITION BY {} ", self.column(names, kind))
        };
        let by = self.column(names, Kind::Whole);
        let order = format!("ORDER BY {by} {} NULLS FIRST", self.one(&["ASC", "DESC"]));
        let frame = self.one(&[
            "",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            " RANGE BETWEEN 3 PRECEDING AND 1 FOLLOWING",
        ]);
        let (value, number) = (self.column(names, kind), self.rng.below(5));
        match (kind, number) {
            (Kind::Whole, 0) => {
                format!("{}() OVER ({partition}{order})", self.one(&["rank", "dense_rank"]))
            }
            (Kind::Whole, 1) => format!("count({value}) OVER ({partition}{order}{frame})"),
            (Kind::Whole | Kind::Part, 2) => {
                format!("sum({value}) OVER ({partition}{order}{frame})")
            }
            (_, 3) => self.term(names, kind, 1),
            _ => format!("{}({value}) OVER ({partition}{order}{frame})", self.one(&["min", "max"])),
        }
    }
}
