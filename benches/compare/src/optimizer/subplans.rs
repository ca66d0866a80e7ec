//! All connected sub-plans of a join: estimated by the optimizer, counted by `SQLite`.

use anyhow::{Context as _, Result};
use lightning_db_expression::Expression;
use lightning_db_optimizer::{
    Cardinality, Catalog, Column, ColumnId, Estimate, JoinKind, Node, NodeId, Origin, Part, Query,
    ScalarId, Signature, TableDefinition, TableId,
};

use super::queries::{self, Kind};

/// A join with its query built.
pub(crate) struct Joins {
    name: &'static str,
    relations: Vec<Relation>,
    conditions: Vec<Condition>,
    query: Query,
}

struct Relation {
    kind: Kind,
    table: String,
    alias: &'static str,
    filtered: NodeId,
    /// Conditions on it alone.
    filters: Vec<ScalarId>,
}

/// A condition between relations, or on one.
struct Condition {
    /// Relations that it uses, as bits.
    relations: u64,
    scalar: ScalarId,
    sql: String,
}

/// A sub-plan: what was estimated, and how `SQLite` counts it.
pub(crate) struct SubPlan {
    /// The query, and the relations as bits.
    pub name: String,
    /// How many relations it has.
    pub relations: u32,
    /// What it is, and what the optimizer expects.
    pub part: Part,
    /// The statement that counts its rows.
    pub sql: String,
}

impl Joins {
    /// Builds the query of a join.
    ///
    /// # Errors
    ///
    /// When it names what the tables do not have.
    pub(crate) fn new(joins: &queries::Joins, catalog: &dyn Catalog) -> Result<Self> {
        let mut query = Query::new();
        let mut relations = Vec::new();
        let mut names: Vec<(String, String, u64, ColumnId)> = Vec::new();
        for (place, (kind, table, alias)) in joins.relations().into_iter().enumerate() {
            let id = catalog.table(table).with_context(|| format!("no table {table}"))?;
            let definition = catalog.definition(id);
            let columns = add_columns(&mut query, &definition, id);
            for (column, defined) in columns.iter().zip(&definition.columns) {
                let full = format!("{alias}.{}", defined.name);
                names.push((full, defined.name.clone(), 1 << place, *column));
            }
            let scan = Node::Scan { table: id, alias: alias.into(), columns };
            let filtered = query.add_node(scan);
            let table = table.to_owned();
            relations.push(Relation { kind, table, alias, filtered, filters: Vec::new() });
        }
        let place = |name: &str| {
            let found = names.iter().position(|(full, short, ..)| full == name || short == name);
            found.with_context(|| format!("no column {name} in {}", joins.name))
        };
        let mut expressions = Vec::new();
        for pair in joins.equal {
            let (one, other) = pair.split_once(' ').context("a pair of columns")?;
            let (one, other) = (place(one)?, place(other)?);
            expressions.push(Expression::column(one).equal(Expression::column(other)));
        }
        // A name that is not there becomes a place that is not there, and fails below.
        let column = |name: &str| Expression::column(place(name).unwrap_or(usize::MAX));
        expressions.extend((joins.conditions)(&column));
        let mut conditions = Vec::new();
        for expression in expressions {
            let id = |at: usize| names.get(at).map(|(.., column)| *column);
            let scalar = query
                .add_expression(&expression, &id)
                .with_context(|| format!("a column of {expression} is missing"))?;
            let used = expression.columns();
            let relations = used.iter().fold(0, |all, at| all | names[*at].2);
            let name = |at: usize| names[at].0.clone();
            // Days are texts in SQLite.
            let sql = expression.display(&name).to_string().replace("DATE '", "'");
            conditions.push(Condition { relations, scalar, sql });
        }
        let mut plan = Self { name: joins.name, relations, conditions, query };
        plan.add_nodes();
        Ok(plan)
    }

    /// Filters over the scans, and all joins above them.
    fn add_nodes(&mut self) {
        for (place, relation) in self.relations.iter_mut().enumerate() {
            let own = self.conditions.iter().filter(|it| it.relations == 1 << place);
            relation.filters = own.map(|it| it.scalar).collect();
            if !relation.filters.is_empty() {
                let (input, conditions) = (relation.filtered, relation.filters.clone());
                relation.filtered = self.query.add_node(Node::Filter { input, conditions });
            }
        }
        let all = (1_u64 << self.relations.len()) - 1;
        let mut joined: Option<(NodeId, u64)> = None;
        for place in self.order(all) {
            let right = self.relations[place].filtered;
            joined = Some(match joined {
                None => (right, 1 << place),
                Some((left, known)) => {
                    let on = self.between(known, place);
                    let kind = kind(self.relations[place].kind);
                    (self.query.add_node(Node::Join { kind, left, right, on }), known | 1 << place)
                }
            });
        }
        if let Some((root, _)) = joined {
            self.query.set_root(root);
        }
    }

    /// Conditions between relations that are joined already and one more.
    fn between(&self, known: u64, place: usize) -> Vec<ScalarId> {
        let own = 1_u64 << place;
        let meets = |it: &&Condition| {
            it.relations & own != 0
                && it.relations & known != 0
                && it.relations & !(known | own) == 0
        };
        self.conditions.iter().filter(meets).map(|it| it.scalar).collect()
    }

    /// The relations of a set in an order in which each is connected with those before it; those
    /// that are not joined by an inner join come last. Shorter than the set if it is not connected.
    fn order(&self, set: u64) -> Vec<usize> {
        let members = (0..self.relations.len()).filter(|place| set & (1 << place) != 0);
        let (inner, others): (Vec<usize>, Vec<usize>) =
            members.partition(|place| self.relations[*place].kind == Kind::Inner);
        let mut order = Vec::new();
        let mut known = 0;
        let mut waiting: Vec<usize> = inner;
        waiting.extend(others);
        while let Some(next) = waiting.iter().position(|place| {
            known == 0 && self.relations[*place].kind == Kind::Inner
                || !self.between(known, *place).is_empty() && self.is_complete(known, *place)
        }) {
            let place = waiting.remove(next);
            known |= 1 << place;
            order.push(place);
        }
        order
    }

    /// Whether all conditions of a relation that is not joined by an inner join can be asked.
    fn is_complete(&self, known: u64, place: usize) -> bool {
        let own = 1_u64 << place;
        self.relations[place].kind == Kind::Inner
            || self
                .conditions
                .iter()
                .all(|it| it.relations & own == 0 || it.relations & !(known | own) == 0)
    }

    /// All connected sub-plans.
    pub(crate) fn sub_plans(&self, catalog: &dyn Catalog) -> Vec<SubPlan> {
        let cardinality = Cardinality::new(&self.query, catalog, None);
        let mut scratch = self.query.clone();
        let sets = 1_u64..1 << self.relations.len();
        sets.filter_map(|set| {
            let order = self.order(set);
            // One relation that is not joined by an inner join is a scan all the same.
            if order.len() != set.count_ones() as usize && !set.is_power_of_two() {
                return None;
            }
            let by_statistics = self.estimate(&cardinality, set, &order);
            let signature = self.signature(&mut scratch, set, &order);
            Some(SubPlan {
                name: format!("{} {}", self.name, self.aliases(set)),
                relations: set.count_ones(),
                part: Part { signature, by_statistics, columns: Vec::new() },
                sql: self.sql(set),
            })
        })
        .collect()
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The query.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// Whether all relations are joined by inner joins, so that every order gives the same parts.
    pub(crate) fn is_inner(&self) -> bool {
        self.relations.iter().all(|relation| relation.kind == Kind::Inner)
    }

    /// The signature of a set, whose joins are added to a query for it.
    fn signature(&self, scratch: &mut Query, set: u64, order: &[usize]) -> Signature {
        let alone = [set.trailing_zeros() as usize];
        let order = if order.is_empty() { &alone } else { order };
        let mut made: Option<(NodeId, u64)> = None;
        for place in order {
            let right = self.relations[*place].filtered;
            made = Some(match made {
                None => (right, 1 << place),
                Some((left, known)) => {
                    let on = self.between(known, *place);
                    let kind = kind(self.relations[*place].kind);
                    (scratch.add_node(Node::Join { kind, left, right, on }), known | 1 << place)
                }
            });
        }
        scratch.signature(made.map_or(self.relations[alone[0]].filtered, |(node, _)| node))
    }

    fn estimate(&self, cardinality: &Cardinality<'_>, set: u64, order: &[usize]) -> Estimate {
        let Some((first, rest)) = order.split_first() else {
            let place = set.trailing_zeros() as usize;
            return cardinality.rows(self.relations[place].filtered);
        };
        let mut rows = cardinality.rows(self.relations[*first].filtered);
        let mut known = 1_u64 << first;
        for place in rest {
            let relation = &self.relations[*place];
            let right = cardinality.rows(relation.filtered);
            let on = self.between(known, *place);
            rows = cardinality.join(kind(relation.kind), rows, right, &on);
            known |= 1 << place;
        }
        rows
    }

    fn aliases(&self, set: u64) -> String {
        let members = self.relations.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        members.map(|(_, it)| it.alias).collect::<Vec<_>>().join(" ")
    }

    /// A statement that counts the rows of a set.
    fn sql(&self, set: u64) -> String {
        let alone = set.is_power_of_two();
        let members: Vec<usize> =
            (0..self.relations.len()).filter(|place| set & (1 << place) != 0).collect();
        let (inner, others): (Vec<usize>, Vec<usize>) =
            members.into_iter().partition(|at| alone || self.relations[*at].kind == Kind::Inner);
        let name =
            |at: &usize| format!("{} {}", self.relations[*at].table, self.relations[*at].alias);
        let of_inner = inner.iter().fold(0_u64, |all, at| all | 1 << at);
        let within = |set: u64, must: u64| {
            let all = self.conditions.iter();
            let all = all.filter(move |it| it.relations & !set == 0 && it.relations & must != 0);
            all.map(|it| format!("({})", it.sql)).collect::<Vec<_>>()
        };
        let mut from = inner.iter().map(name).collect::<Vec<_>>().join(", ");
        let mut conditions = within(of_inner, of_inner);
        for at in others {
            let own = within(of_inner | 1 << at, 1 << at).join(" AND ");
            match self.relations[at].kind {
                Kind::Left => from = format!("{from} LEFT JOIN {} ON {own}", name(&at)),
                kind => {
                    let not = if kind == Kind::Anti { "NOT " } else { "" };
                    let exists = format!("{not}EXISTS (SELECT 1 FROM {} WHERE {own})", name(&at));
                    conditions.push(exists);
                }
            }
        }
        let conditions =
            if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
        format!("SELECT count(*) FROM {from} WHERE {conditions}")
    }
}

fn kind(kind: Kind) -> JoinKind {
    match kind {
        Kind::Inner => JoinKind::Inner,
        Kind::Left => JoinKind::Left,
        Kind::Semi => JoinKind::Semi,
        Kind::Anti => JoinKind::Anti,
    }
}

fn add_columns(query: &mut Query, definition: &TableDefinition, table: TableId) -> Vec<ColumnId> {
    let columns = definition.columns.iter().enumerate();
    columns
        .map(|(position, column)| {
            query.add_column(Column {
                name: column.name.as_str().into(),
                relation: None,
                value_type: column.value_type,
                nullable: column.nullable,
                origin: Origin::Table(table, position),
            })
        })
        .collect()
}
