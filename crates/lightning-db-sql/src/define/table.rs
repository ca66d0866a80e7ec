//! CREATE TABLE, and columns that are added.

use lightning_db_expression::{Expression, Function};
use lightning_db_query::Source;
use lightning_db_table::{
    Check, ColumnDefinition, ColumnType, ForeignKey, IndexSpec, OnDelete, SerialColumn,
    TableDefinition,
};
use lightning_db_types::{Decimal, Value};
use sqlparser::ast::{
    self, ColumnOption, CreateTableOptions, DataType, Expr, GeneratedAs, ReferentialAction,
    SqlOption, TableConstraint,
};

use super::{Target, over_columns};
use crate::bind::{Binder, Declared, Place, Scope, assigned, declared, place_of, relation_of};
use crate::error::{Error, Position, Result};
use crate::names::{self, at, folded, unknown};
use crate::views;

pub(super) fn create(create: &ast::CreateTable, target: &mut Target<'_>) -> Result<()> {
    check_clauses(create)?;
    let (name, place) = names::table(&create.name)?;
    let seen = target.seen();
    if create.if_not_exists && seen.source().names().contains(&name) {
        return Ok(());
    }
    views::refuse(&name, place, seen.source())?;
    let definition = definition(create, seen.source())?;
    drop(seen);
    target.create_table(definition)
}

/// The table that a statement makes.
pub(crate) fn definition(create: &ast::CreateTable, source: Source<'_>) -> Result<TableDefinition> {
    let (name, _) = names::table(&create.name)?;
    let mut made = Made { definition: TableDefinition::new(name), source };
    for column in &create.columns {
        made.column(column)?;
    }
    // What options and constraints name may be a later column.
    for (position, column) in create.columns.iter().enumerate() {
        for option in &column.options {
            made.option(position, option)?;
        }
    }
    for constraint in &create.constraints {
        made.constraint(constraint)?;
    }
    made.options(&create.table_options)?;
    made.number_the_key(create);
    Ok(made.definition)
}

/// A column that is added to a table.
pub(super) fn added(column: &ast::ColumnDef, source: Source<'_>) -> Result<ColumnDefinition> {
    let Declared { column_type, length, precision } =
        declared(&column.data_type, at(&column.name))?;
    if length.is_some() || precision.is_some() {
        let hint = "add it without a length, which would be a constraint on rows that are there";
        let what = format!("a column of type {}", column.data_type);
        return Err(Error::unsupported_hint(what, hint, at(&column.name)));
    }
    let mut made = ColumnDefinition::new(folded(&column.name), column_type).nullable();
    for option in &column.options {
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => made.nullable = false,
            ColumnOption::Default(value) => made.default = default_of(value, column_type, source)?,
            other => {
                let what = format!("a column that is added with {other}");
                return Err(Error::unsupported(what, at(&column.name)));
            }
        }
    }
    Ok(made)
}

/// A table that is being defined.
struct Made<'a> {
    definition: TableDefinition,
    source: Source<'a>,
}

impl Made<'_> {
    fn column(&mut self, column: &ast::ColumnDef) -> Result<()> {
        let name = folded(&column.name);
        let position = self.definition.columns.len();
        if is_serial(&column.data_type) {
            self.definition.columns.push(ColumnDefinition::new(name, ColumnType::I64));
            return self.serial(position, false);
        }
        let Declared { column_type, length, precision } =
            declared(&column.data_type, at(&column.name))?;
        let value = Expression::Column(position);
        if let Some(length) = length {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            self.check(&format!("{name}_length"), value.length().at_most(length));
        } else if let Some((digits, scale)) = precision {
            let rounded = value.clone().round(scale.into());
            let most = 10_i128.pow((digits - scale).into());
            let most = Decimal::new(most, 0).map(Value::Decimal);
            let fits = Expression::Compare(
                lightning_db_expression::Comparison::Equal,
                Box::new(rounded),
                Box::new(value.clone()),
            );
            let fits = match most {
                Ok(most) => fits.and(value.call(Function::Abs).less(most)),
                // Ten to the power of 38 is beyond all decimals.
                Err(_) => fits,
            };
            self.check(&format!("{name}_precision"), fits);
        }
        self.definition.columns.push(ColumnDefinition::new(name, column_type).nullable());
        Ok(())
    }

    fn check(&mut self, name: &str, condition: Expression) {
        let name = format!("{}_{name}", self.definition.name);
        self.definition.checks.push(Check { name, condition });
    }

    fn option(&mut self, position: usize, option: &ast::ColumnOptionDef) -> Result<()> {
        let column = self.definition.columns[position].name.clone();
        let named = option.name.as_ref().map(folded);
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => self.definition.columns[position].nullable = false,
            ColumnOption::Default(value) => {
                let column_type = self.definition.columns[position].column_type;
                let default = default_of(value, column_type, self.source)?;
                self.definition.columns[position].default = default;
            }
            ColumnOption::PrimaryKey(_) => self.primary_key(vec![position], None)?,
            ColumnOption::Unique(_) => self.unique(named, &[position]),
            ColumnOption::Check(check) => {
                self.check_constraint(named, &check.expr, &format!("{column}_check"))?;
            }
            ColumnOption::ForeignKey(key) => {
                self.foreign_key(named, vec![column], key)?;
            }
            ColumnOption::Generated {
                generation_expr: Some(expr), sequence_options: None, ..
            } => {
                let generated = self.over_columns(expr, false)?;
                self.definition.columns[position].generated = Some(generated);
            }
            ColumnOption::Generated {
                generated_as,
                generation_expr: None,
                sequence_options: Some(options),
                ..
            } if options.is_empty() => {
                self.serial(position, *generated_as == GeneratedAs::Always)?;
            }
            // As a dump of `SQLite` has it.
            ColumnOption::DialectSpecific(_)
                if option.to_string().eq_ignore_ascii_case("autoincrement") =>
            {
                self.serial(position, false)?;
            }
            other => {
                let what = format!("the option {other} of column {column}");
                return Err(Error::unsupported(what, None));
            }
        }
        Ok(())
    }

    /// The table gives numbers for a column.
    fn serial(&mut self, column: usize, always: bool) -> Result<()> {
        if self.definition.serial.is_some_and(|serial| serial.column != column) {
            return Err(Error::unsupported("a second column whose numbers are given", None));
        }
        self.definition.columns[column].nullable = false;
        self.definition.serial = Some(SerialColumn { column, always });
        Ok(())
    }

    /// As in `SQLite`, an `INTEGER PRIMARY KEY` that is left out gets the next number.
    fn number_the_key(&mut self, create: &ast::CreateTable) {
        if let [column] = self.definition.primary_key[..]
            && self.definition.serial.is_none()
            && matches!(create.columns[column].data_type, DataType::Integer(None))
        {
            let definition = &self.definition.columns[column];
            if definition.default.is_none() && definition.generated.is_none() {
                self.definition.serial = Some(SerialColumn { column, always: false });
            }
        }
    }

    fn constraint(&mut self, constraint: &TableConstraint) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                let place = key.columns.first().and_then(|it| place_of(&it.column.expr));
                let columns = self.positions(&key.columns)?;
                self.primary_key(columns, place)?;
            }
            TableConstraint::Unique(unique) => {
                let columns = self.positions(&unique.columns)?;
                let name = unique.name.as_ref().or(unique.index_name.as_ref()).map(folded);
                self.unique(name, &columns);
                let not_distinct = unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct;
                if not_distinct && let Some(index) = self.definition.indexes.pop() {
                    self.definition.indexes.push(index.nulls_not_distinct());
                }
            }
            TableConstraint::Check(check) => {
                let name = check.name.as_ref().map(folded);
                self.check_constraint(name, &check.expr, "check")?;
            }
            TableConstraint::ForeignKey(key) => {
                let columns = key.columns.iter().map(folded).collect();
                self.foreign_key(key.name.as_ref().map(folded), columns, key)?;
            }
            other => {
                let hint = "use CREATE INDEX";
                return Err(Error::unsupported_hint(format!("the constraint {other}"), hint, None));
            }
        }
        Ok(())
    }

    fn primary_key(&mut self, columns: Vec<usize>, at: Option<Position>) -> Result<()> {
        if !self.definition.primary_key.is_empty() {
            return Err(Error::invalid("the table has two primary keys", at));
        }
        for column in &columns {
            self.definition.columns[*column].nullable = false;
        }
        self.definition.primary_key = columns;
        Ok(())
    }

    fn unique(&mut self, name: Option<String>, columns: &[usize]) {
        let names = columns.iter().map(|column| &*self.definition.columns[*column].name);
        let names: Vec<&str> = names.collect();
        let name =
            name.unwrap_or_else(|| format!("{}_{}_key", self.definition.name, names.join("_")));
        let index = IndexSpec::unique(name);
        let index = columns.iter().fold(index, |index, column| index.column(*column));
        self.definition.indexes.push(index);
    }

    fn check_constraint(
        &mut self,
        name: Option<String>,
        expr: &Expr,
        otherwise: &str,
    ) -> Result<()> {
        let condition = self.over_columns(expr, true)?;
        let taken = |name: &str| self.definition.checks.iter().any(|check| check.name == name);
        let name = name.unwrap_or_else(|| {
            let name = format!("{}_{otherwise}", self.definition.name);
            let numbered = (1..).map(|number| match number {
                1 => name.clone(),
                number => format!("{name}{number}"),
            });
            numbered.take(usize::from(u16::MAX)).find(|name| !taken(name)).unwrap_or(name.clone())
        });
        self.definition.checks.push(Check { name, condition });
        Ok(())
    }

    fn foreign_key(
        &mut self,
        name: Option<String>,
        columns: Vec<String>,
        key: &ast::ForeignKeyConstraint,
    ) -> Result<()> {
        let (table, place) = names::table(&key.foreign_table)?;
        let on_delete = match key.on_delete {
            None | Some(ReferentialAction::Restrict | ReferentialAction::NoAction) => {
                OnDelete::Restrict
            }
            Some(ReferentialAction::Cascade) => OnDelete::Cascade,
            Some(ReferentialAction::SetNull) => OnDelete::SetNull,
            Some(ReferentialAction::SetDefault) => {
                return Err(Error::unsupported("ON DELETE SET DEFAULT", place));
            }
        };
        if let Some(action) = &key.on_update
            && !matches!(action, ReferentialAction::Restrict | ReferentialAction::NoAction)
        {
            return Err(Error::unsupported(format!("ON UPDATE {action}"), place));
        }
        let own = table == self.definition.name;
        let references: Vec<String> = match &key.referred_columns[..] {
            [] if own => {
                let key = self.definition.primary_key.iter();
                key.map(|column| self.definition.columns[*column].name.clone()).collect()
            }
            [] => {
                let known = self.source.names();
                let found = self.source.table(&table);
                let found = found.map_err(|_| unknown("table", &table, known, place))?;
                found.primary_key().map(str::to_owned).collect()
            }
            named => named.iter().map(folded).collect(),
        };
        let name =
            name.unwrap_or_else(|| format!("{}_{}_fkey", self.definition.name, columns.join("_")));
        self.definition.foreign_keys.push(ForeignKey {
            name,
            columns,
            table,
            references,
            on_delete,
        });
        Ok(())
    }

    fn positions(&self, columns: &[ast::IndexColumn]) -> Result<Vec<usize>> {
        let position = |column: &ast::IndexColumn| {
            let Expr::Identifier(name) = &column.column.expr else {
                let what = format!("a key of {}", column.column.expr);
                return Err(Error::unsupported(what, place_of(&column.column.expr)));
            };
            self.position(&folded(name), at(name))
        };
        columns.iter().map(position).collect()
    }

    fn position(&self, name: &str, at: Option<Position>) -> Result<usize> {
        let known = self.definition.columns.iter().map(|column| &*column.name);
        let found = self.definition.position(name);
        found.ok_or_else(|| unknown("column", name, known, at))
    }

    fn over_columns(&self, expr: &Expr, is_condition: bool) -> Result<Expression> {
        let definition = &self.definition;
        let relation = relation_of(&definition.columns, &definition.name);
        let place = |name: &str| definition.position(name);
        over_columns(expr, relation, &place, self.source, is_condition)
    }

    /// `WITH (expires_at = column)`
    fn options(&mut self, options: &CreateTableOptions) -> Result<()> {
        let options = match options {
            CreateTableOptions::None => return Ok(()),
            CreateTableOptions::With(options)
            | CreateTableOptions::Options(options)
            | CreateTableOptions::Plain(options)
            | CreateTableOptions::TableProperties(options) => options,
        };
        for option in options {
            match option {
                SqlOption::KeyValue { key, value: Expr::Identifier(column) }
                    if folded(key) == "expires_at" =>
                {
                    let position = self.position(&folded(column), at(column))?;
                    self.definition.expires_at = Some(position);
                }
                other => {
                    let hint = "expires_at = COLUMN is the only one";
                    let what = format!("the option {other}");
                    return Err(Error::unsupported_hint(what, hint, None));
                }
            }
        }
        Ok(())
    }
}

/// Whether a type is that of a column whose numbers the table gives, as in `PostgreSQL`.
fn is_serial(data_type: &DataType) -> bool {
    const NAMES: [&str; 6] =
        ["serial", "serial4", "serial8", "bigserial", "smallserial", "serial2"];
    let DataType::Custom(name, arguments) = data_type else { return false };
    let plain = names::plain(name);
    arguments.is_empty() && plain.is_ok_and(|(name, _)| NAMES.contains(&&*name))
}

/// The value of a DEFAULT, which is computed once.
fn default_of(value: &Expr, column_type: ColumnType, source: Source<'_>) -> Result<Option<Value>> {
    let binder = Binder::new(source, &[]);
    let typed = binder.expression(value, Place::rows(&Scope::default()))?;
    let typed = assigned(typed, column_type, place_of(value))?;
    let value_at = place_of(value);
    let found = typed.constant(&[], value_at)?;
    if found.is_null() {
        return Ok(None);
    }
    let taken = column_type.coerce(found);
    taken.map(Some).map_err(|detail| Error::invalid(format!("the default: {detail}"), value_at))
}

pub(super) fn check_clauses(create: &ast::CreateTable) -> Result<()> {
    let refuse = |is_there: bool, what: &str| {
        if is_there { Err(Error::unsupported(what, None)) } else { Ok(()) }
    };
    refuse(create.or_replace, "CREATE OR REPLACE TABLE")?;
    refuse(create.temporary || create.transient || create.volatile, "a temporary table")?;
    refuse(create.external || create.iceberg || create.dynamic, "an external table")?;
    refuse(create.like.is_some() || create.clone.is_some(), "CREATE TABLE LIKE")?;
    refuse(create.inherits.is_some() || create.partition_of.is_some(), "an inherited table")?;
    refuse(create.partition_by.is_some(), "PARTITION BY")?;
    refuse(create.primary_key.is_some() || create.order_by.is_some(), "clauses of ClickHouse")
}
