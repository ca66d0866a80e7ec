//! The implementation that is written.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Lit, Result, Type};

use crate::expression;
use crate::record::{FieldInput, RecordInput};

/// The implementation of `Record`.
pub(crate) fn expand(record: &RecordInput) -> Result<TokenStream> {
    let RecordInput { name, root, .. } = record;
    let definition = definition(record)?;
    let to_values = record.fields.iter().map(|field| {
        let name = &field.name;
        if field.generated.is_some() {
            // The table computes it.
            quote!(#root::Value::Null)
        } else {
            quote!(#root::Field::to_value(&self.#name))
        }
    });
    let from_row = record.fields.iter().enumerate().map(|(position, field)| {
        let name = &field.name;
        quote!(#name: row.field(#position)?)
    });
    let (key_type, key_values) = key(record);
    Ok(quote! {
        #[automatically_derived]
        impl #root::Record for #name {
            type Key = #key_type;

            fn definition() -> #root::TableDefinition {
                #definition
            }

            fn to_values(&self) -> ::std::vec::Vec<#root::Value> {
                ::std::vec![#(#to_values),*]
            }

            fn key_values(&self) -> ::std::vec::Vec<#root::Value> {
                ::std::vec![#(#key_values),*]
            }

            fn from_row(row: &#root::Row) -> #root::Result<Self> {
                ::std::result::Result::Ok(Self { #(#from_row),* })
            }
        }
    })
}

fn key(record: &RecordInput) -> (TokenStream, Vec<TokenStream>) {
    let root = &record.root;
    let types: Vec<&Type> = record.key.iter().map(|at| &record.fields[*at].field_type).collect();
    let key_type = match types[..] {
        [] => quote!(()),
        [one] => quote!(#one),
        _ => quote!((#(#types),*)),
    };
    let values = record.key.iter().map(|at| {
        let name = &record.fields[*at].name;
        quote!(#root::Field::to_value(&self.#name))
    });
    (key_type, values.collect())
}

fn definition(record: &RecordInput) -> Result<TokenStream> {
    let (root, table) = (&record.root, &record.table);
    let mut parts = Vec::new();
    for field in &record.fields {
        let column = column(field, record)?;
        parts.push(quote!(.column(#column)));
    }
    if !record.key.is_empty() {
        let key = &record.key;
        parts.push(quote!(.primary_key([#(#key),*])));
    }
    if let Some(position) = record.expires_at {
        parts.push(quote!(.expires_at(#position)));
    }
    let mut names: Vec<String> = Vec::new();
    for index in &record.indexes {
        let name = index.name(record)?;
        if names.contains(&name) {
            let message = format!("two indexes are called {name}: give one a `name = \"..\"`");
            return Err(syn::Error::new(index.span(), message));
        }
        names.push(name);
        parts.push(index.expand(record)?);
    }
    for (at, check) in record.checks.iter().enumerate() {
        let condition = expression::expand(&check.condition, record)?;
        let name = match (&check.name, &check.field) {
            (Some(name), _) => name.clone(),
            (None, Some(field)) => {
                format!("{}_{}", record.table, record.fields[record.position(field)?].column)
            }
            (None, None) => format!("{}_check_{}", record.table, at + 1),
        };
        parts.push(quote!(.check(#name, #condition)));
    }
    for key in &record.foreign_keys {
        parts.push(key.expand(record)?);
    }
    Ok(quote!(#root::TableDefinition::new(#table) #(#parts)*))
}

fn column(field: &FieldInput, record: &RecordInput) -> Result<TokenStream> {
    let root = &record.root;
    let FieldInput { column, field_type, .. } = field;
    let mut definition = quote!(<#field_type as #root::Field>::column(#column));
    if let Some(default) = &field.default {
        let value = default_value(default, field_type);
        definition = quote! {
            #definition.with_default({
                let default: #field_type = #value;
                #root::Field::to_value(&default)
            })
        };
    }
    if let Some(generated) = &field.generated {
        let expression = expression::expand(generated, record)?;
        definition = quote!(#definition.generated(#expression));
    }
    Ok(definition)
}

/// A default as a value of the field's type: text becomes a `String`, and a plain value is put into
/// an `Option` where the field is one.
fn default_value(default: &Expr, field_type: &Type) -> TokenStream {
    let is_text = matches!(default, Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)));
    let value =
        if is_text { quote!(::std::convert::Into::into(#default)) } else { quote!(#default) };
    let is_plain = matches!(default, Expr::Lit(_) | Expr::Unary(_));
    if is_plain && is_option(field_type) {
        return quote!(::std::option::Option::Some(#value));
    }
    value
}

fn is_option(field_type: &Type) -> bool {
    let Type::Path(path) = field_type else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Option")
}
