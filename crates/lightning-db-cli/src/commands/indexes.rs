//! `indexes`, `index create` and `index drop`.

use std::ops::ControlFlow;

use lightning_db::tables::index::{
    Analyzer, BitmapOptions, BloomOptions, Expression, Geometry, HashOptions, IndexKind,
    IndexStatistics, Language, OrderedOptions, SpatialOptions, TextOptions,
};
use lightning_db::tables::{BuildOutcome, BuildStage, IndexSpec, IndexState, Table, Tables};
use serde_json::{Value as Json, json};

use super::tables::{chosen, extras, kind, parts, print_all};
use crate::args::{CreateIndex, Kind};
use crate::condition::{self, Condition};
use crate::context::{self, Context};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::spelling::did_you_mean;
use crate::table_text::{Align, push_table};
use crate::text;

/// Prints the indexes of one table or of all, with what they hold.
pub(crate) fn list(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let (store, tables) = context.open_tables()?;
    let (shown, objects) = sections(&chosen(&tables, name)?)?;
    print_all(context, &shown, &objects)?;
    drop(tables);
    Ok(store.close()?)
}

/// What the indexes of tables are and hold: as text, and an object for each.
pub(crate) fn sections(tables: &[Table]) -> Result<(String, Vec<Json>), Failure> {
    let head =
        ["index", "table", "kind", "on", "entries, roughly", "disk", "memory", "lag", "perhaps"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut objects = Vec::new();
    for table in tables {
        for (index, state) in table.indexes() {
            let definition = index.definition();
            let statistics = index.statistics().map_err(Failure::index)?;
            let mut on = parts(table, definition);
            on.push_str(&extras(table, definition));
            let rate = statistics.false_positive_rate;
            let name = match state {
                IndexState::Ready => definition.name.clone(),
                IndexState::Building => format!("{} (being built)", definition.name),
            };
            rows.push(vec![
                name,
                table.name().to_owned(),
                kind(definition),
                on.clone(),
                text::number(statistics.entries),
                text::bytes(statistics.disk_bytes),
                text::bytes(statistics.memory_bytes),
                text::number(statistics.lag),
                rate.map_or_else(String::new, |rate| format!("{:.2} %", rate * 100.0)),
            ]);
            objects.push(to_json(table, &definition.name, &kind(definition), &on, &statistics));
        }
    }
    let mut shown = String::new();
    if !objects.is_empty() {
        let mut aligns = [Align::Right; 9];
        aligns[..4].fill(Align::Left);
        push_table(&mut shown, &aligns, &rows);
    }
    Ok((shown, objects))
}

fn to_json(table: &Table, name: &str, kind: &str, on: &str, statistics: &IndexStatistics) -> Json {
    json!({
        "index": name,
        "table": table.name(),
        "kind": kind,
        "on": on,
        "entries": statistics.entries,
        "disk_bytes": statistics.disk_bytes,
        "memory_bytes": statistics.memory_bytes,
        "lag": statistics.lag,
        "false_positive_rate": statistics.false_positive_rate,
    })
}

/// Builds an index over a table.
pub(crate) fn create(context: &Context, create: &CreateIndex) -> Result<(), Failure> {
    let (store, tables) = context.open_tables()?;
    let table = context::table(&tables, &create.table)?;
    let spec = spec(&table, create)?;
    let started = context.elapsed();
    let outcome = build(context, &tables, &create.table, |tables, progress| {
        tables.create_index(&create.table, spec, progress)
    })?;
    let time = context.elapsed().saturating_sub(started);
    drop(tables);
    store.close()?;
    let entries = report(context, &create.name, outcome)?;
    let summary = format!(
        "made index {} of table {}: entries {} in {}",
        create.name,
        create.table,
        text::number(entries),
        text::time(time)
    );
    let json = json!({
        "index": create.name,
        "table": create.table,
        "entries": entries,
        "seconds": time.as_secs_f64(),
    });
    context.print_summary(&summary, &json)
}

/// Lists the keys that stand against a unique index; gives the entries of one that was built.
pub(super) fn report(
    context: &Context,
    index: &str,
    outcome: BuildOutcome,
) -> Result<u64, Failure> {
    match outcome {
        BuildOutcome::Ready { entries } => Ok(entries),
        BuildOutcome::Duplicates(keys) => {
            for (key, first, second) in &keys {
                let key = text::column(key.as_bytes());
                let line = format!("duplicate: {key} in rows #{first} and #{second}\n");
                let json = json!({ "duplicate": key, "rows": [first, second] });
                context.print(&line, &json)?;
            }
            let count = text::count(keys.len() as u64, "key");
            Err(Failure::Duplicates { index: index.to_owned(), keys: count })
        }
        BuildOutcome::Cancelled => Err(Failure::Refused(format!("build index {index}: ended"))),
    }
}

/// Runs a build below a bar.
pub(super) fn build(
    context: &Context,
    tables: &Tables,
    table: &str,
    work: impl FnOnce(
        &Tables,
        &mut lightning_db::tables::BuildProgress<'_>,
    ) -> lightning_db::tables::Result<BuildOutcome>,
) -> Result<BuildOutcome, Failure> {
    let mut shown: Option<(BuildStage, Progress)> = None;
    let outcome = work(tables, &mut |status| {
        let now = shown.take().filter(|(stage, _)| *stage == status.stage);
        let (stage, progress) = now.unwrap_or_else(|| {
            let name = match status.stage {
                BuildStage::Reading => "reading",
                BuildStage::Writing => "writing",
                BuildStage::CatchingUp => "catching up",
            };
            (status.stage, Progress::of_build(context, format!("{name} {table}"), status.total))
        });
        progress.set_position(status.done);
        shown = Some((stage, progress));
        ControlFlow::Continue(())
    });
    Ok(outcome?)
}

/// Drops an index.
pub(crate) fn drop_index(context: &Context, table: &str, name: &str) -> Result<(), Failure> {
    let (store, tables) = context.open_tables()?;
    let known = context::table(&tables, table)?;
    let names: Vec<&str> =
        known.indexes().map(|(index, _)| index.definition().name.as_str()).collect();
    if !names.contains(&name) {
        let meant = did_you_mean(name, names);
        let detail = format!("find index {name}: table {table} has none of this name{meant}");
        return Err(Failure::NotFound(detail));
    }
    tables.drop_index(table, name)?;
    drop(tables);
    store.close()?;
    let json = json!({ "index": name, "table": table });
    context.print_summary(&format!("dropped index {name} of table {table}"), &json)
}

fn spec(table: &Table, create: &CreateIndex) -> Result<IndexSpec, Failure> {
    refuse_options(create)?;
    let mut spec = IndexSpec::new(&create.name, index_kind(table, create)?);
    spec.parts = condition::parse_parts(table, &create.on)?;
    if let Some(condition) = &create.r#where {
        spec = spec.condition(Condition::parse_plain(table, condition)?);
    }
    Ok(spec)
}

/// Refuses options that the kind does not read.
fn refuse_options(create: &CreateIndex) -> Result<(), Failure> {
    let kind = create.kind;
    let ordered = matches!(kind, Kind::Ordered | Kind::Unique);
    let given = [
        ("--include", create.include.is_some(), ordered, "an ordered or unique index"),
        ("--unique", create.unique, kind == Kind::Hash, "a hash index; --kind unique is the other"),
        ("--nulls-not-distinct", create.nulls_not_distinct, kind == Kind::Unique, "a unique index"),
        ("--deferrable", create.deferrable, kind == Kind::Unique, "a unique index"),
        ("--slices", create.slices, kind == Kind::Bitmap, "a bitmap index"),
        ("--plane", create.plane, kind == Kind::Spatial, "a spatial index"),
        ("--analyzer", create.analyzer.is_some(), kind == Kind::Text, "a text index"),
        ("--rate", create.rate.is_some(), kind == Kind::Bloom, "a Bloom index"),
        ("--expected", create.expected.is_some(), kind == Kind::Bloom, "a Bloom index"),
    ];
    match given.iter().find(|(_, is_given, fits, _)| *is_given && !fits) {
        Some((option, _, _, whose)) => {
            Err(Failure::Usage(format!("make index {}: {option} is for {whose}", create.name)))
        }
        None => Ok(()),
    }
}

fn index_kind(table: &Table, create: &CreateIndex) -> Result<IndexKind, Failure> {
    Ok(match create.kind {
        Kind::Ordered | Kind::Unique => {
            let mut options = OrderedOptions::new();
            if create.kind == Kind::Unique {
                options = options.unique();
            }
            if create.nulls_not_distinct {
                options = options.nulls_not_distinct();
            }
            if create.deferrable {
                options = options.deferrable();
            }
            if let Some(include) = &create.include {
                let stored: Vec<Expression> = condition::parse_list(table, include)?;
                options = options.include(stored);
            }
            IndexKind::Ordered(options)
        }
        Kind::Hash => {
            let options = HashOptions::new();
            IndexKind::Hash(if create.unique { options.unique() } else { options })
        }
        Kind::Bitmap if create.slices => IndexKind::Bitmap(BitmapOptions::slices()),
        Kind::Bitmap => IndexKind::Bitmap(BitmapOptions::default()),
        Kind::Spatial => {
            let geometry = if create.plane { Geometry::Plane } else { Geometry::Sphere };
            IndexKind::Spatial(SpatialOptions { geometry })
        }
        Kind::Text => {
            let analyzer = create.analyzer.as_deref().unwrap_or("simple");
            IndexKind::Text(TextOptions::new(analyzer_of(analyzer)?))
        }
        Kind::Bloom => {
            let mut options = BloomOptions::default();
            options.false_positive_rate = create.rate.unwrap_or(options.false_positive_rate);
            options.expected_items = create.expected.unwrap_or(options.expected_items);
            IndexKind::Bloom(options)
        }
    })
}

/// The analyzer of a name.
fn analyzer_of(name: &str) -> Result<Analyzer, Failure> {
    let plain = [
        ("simple", Analyzer::Simple),
        ("whitespace", Analyzer::Whitespace),
        ("raw", Analyzer::Raw),
        ("facet", Analyzer::Facet),
    ];
    if let Some((_, analyzer)) = plain.iter().find(|(known, _)| *known == name) {
        return Ok(*analyzer);
    }
    let languages =
        Language::ALL.map(|language| (format!("{language:?}").to_lowercase(), language));
    if let Some((_, language)) = languages.iter().find(|(known, _)| known == name) {
        return Ok(Analyzer::Language { language: *language, stop_words: true });
    }
    let known = plain.iter().map(|(known, _)| *known);
    let known = known.chain(languages.iter().map(|(known, _)| known.as_str()));
    let names: Vec<&str> = known.collect();
    let meant = did_you_mean(name, names.iter().copied());
    let names = names.join(", ");
    Err(Failure::Usage(format!("find analyzer {name}{meant}: there are {names}")))
}
