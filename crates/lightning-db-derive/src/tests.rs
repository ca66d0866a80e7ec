//! What is written for a struct, and what misuse says.

use quote::quote;

use super::*;

/// The tokens that are written, without spaces.
fn written(input: proc_macro2::TokenStream) -> String {
    derive(input, syn::parse_quote!(::lightning_db_table)).to_string().replace(' ', "")
}

fn check_error(input: &str, expected: &str) {
    let parsed = syn::parse_str(input).and_then(|input| {
        record::RecordInput::new(&input, syn::parse_quote!(::lightning_db_table))
    });
    let outcome = parsed.and_then(|record| expand::expand(&record));
    let error = outcome.map(|tokens| tokens.to_string()).unwrap_err().to_string();
    assert!(error.contains(expected), "{input}: {error}");
}

#[test]
fn columns_keys_and_values_are_those_of_the_fields() {
    let text = written(quote! {
        struct City {
            #[record(key)]
            id: u64,
            #[record(rename = "called", default = "x")]
            name: Option<String>,
            #[record(default = 5)]
            rank: Option<i64>,
            #[record(generated = id + 1)]
            next: u64,
        }
    });
    for wanted in [
        "impl::lightning_db_table::RecordforCity",
        "typeKey=u64;",
        "TableDefinition::new(\"city\")",
        "<Option<String>as::lightning_db_table::Field>::column(\"called\")",
        "letdefault:Option<String>=::std::option::Option::Some(::std::convert::Into::into(\"x\"));",
        "letdefault:Option<i64>=::std::option::Option::Some(5);",
        ".primary_key([0usize])",
        "column(0usize).plus(::lightning_db_table::index::Expression::literal(1i64))",
        "Field::to_value(&self.rank),::lightning_db_table::Value::Null]",
        "name:row.field(1usize)?",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

#[test]
fn indexes_are_called_after_their_columns() {
    let text = written(quote! {
        #[record(
            table = "t",
            crate = lightning_db::tables,
            key(b, a),
            index(on(a, lower(b).desc().nulls_first()), include(c), condition = c > 5),
            unique(on(c), name = "mine", nulls_not_distinct, deferrable)
        )]
        struct Row {
            a: u64,
            b: String,
            #[record(index(bitmap), index(hash), index(bloom), index(desc), check = c != 0)]
            c: i64,
        }
    });
    for wanted in [
        "typeKey=(String,u64);",
        "primary_key([1usize,0usize])",
        "lightning_db::tables::IndexSpec::bitmap(\"t_c_bitmap\")",
        "IndexSpec::hash(\"t_c_hash\")",
        "IndexSpec::bloom(\"t_c_bloom\")",
        "IndexSpec::ordered(\"t_c\").part(lightning_db::tables::index::Expression::column(2usize),\
         lightning_db::tables::ColumnOrder::DESCENDING)",
        "IndexSpec::ordered(\"t_a_b\")",
        "column(1usize).lower(),lightning_db::tables::ColumnOrder::DESCENDING.with_nulls_first())",
        ".include([2usize])",
        "IndexSpec::unique(\"mine\")",
        ".nulls_not_distinct().deferrable()",
        ".check(\"t_c\",",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

/// Misuse, and a part of what is said of it.
const MISUSE: [(&str, &str); 24] = [
    ("enum Row { A }", "a record is a struct"),
    ("struct Row(u64);", "a record has named fields"),
    ("struct Row<T> { a: T }", "no type parameters"),
    ("struct Row { #[record(kye)] a: u64 }", "a field takes key, rename"),
    ("#[record(tables = \"x\")] struct Row { a: u64 }", "a record takes table"),
    ("#[record(key(b))] struct Row { a: u64 }", "there are a"),
    ("#[record(key(a))] struct Row { #[record(key)] a: u64 }", "already"),
    ("#[record(key(a, a))] struct Row { a: u64 }", "twice in the key"),
    ("struct Row { #[record(index(fast))] a: u64 }", "an index takes ordered"),
    ("struct Row { #[record(unique(hash))] a: u64 }", "a unique index takes"),
    ("#[record(index(hash))] struct Row { a: u64 }", "needs `on(..)`"),
    ("#[record(index(on(a), hash, include(b)))] struct Row { a: u64, b: u64 }", "covers columns"),
    ("struct Row { #[record(index, index)] a: u64 }", "two indexes are called row_a"),
    ("struct Row { #[record(check = b > 1)] a: u64 }", "no field of this name"),
    ("struct Row { #[record(check = a.pow(2) > 1)] a: u64 }", "no function"),
    ("struct Row { #[record(check = lower(a, a))] a: u64 }", "it takes 1"),
    ("struct Row { #[record(check = a & 1)] a: u64 }", "an expression takes =="),
    ("struct Row { #[record(check = |b| b)] a: u64 }", "over columns has"),
    ("struct Row { #[record(check = a == 'x')] a: u64 }", "no column takes such a value"),
    ("struct Row { #[record(foreign_key(table = \"t\"))] a: u64 }", "cannot reference"),
    (
        "struct Row { #[record(foreign_key(table = \"t\", column = \"c\", on_delete = drop))] \
         a: u64 }",
        "restrict, cascade or set_null",
    ),
    (
        "struct Row { #[record(generated = a, default = 1)] a: u64 }",
        "a generated column has no default",
    ),
    ("struct Row { a: u64, #[record(rename = \"a\")] b: u64 }", "two columns are named a"),
    ("struct Row { #[record(ttl)] a: u64, #[record(ttl)] b: u64 }", "one `ttl`"),
];

#[test]
fn misuse_is_an_error_that_says_what_is_taken() {
    for (input, expected) in MISUSE {
        check_error(input, expected);
    }
}

#[cfg(not(feature = "text"))]
#[test]
fn a_missing_feature_is_named() {
    check_error("struct Row { #[record(fts(english))] a: String }", "the feature `text`");
}

#[cfg(feature = "text")]
#[test]
fn text_indexes_name_their_analyzer() {
    let text = written(quote!(
        struct Row {
            #[record(fts(english))]
            a: String,
        }
    ));
    assert!(text.contains("IndexSpec::text(\"row_a_text\","), "{text}");
    assert!(text.contains("Language::English"), "{text}");
    let text = written(quote!(
        struct Row {
            #[record(fts)]
            a: String,
        }
    ));
    assert!(text.contains("Analyzer::Simple"), "{text}");
    check_error("struct Row { #[record(fts(klingon))] a: String }", "an analyzer: simple");
}
