//! Checks and foreign keys.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Expr, Ident, LitStr, Result};

use crate::record::{RecordInput, names, word_of};

/// A condition for every row.
pub(crate) struct CheckInput {
    pub(crate) name: Option<String>,
    pub(crate) condition: Expr,
    /// The field it stands at, after which it is called if it has no name.
    pub(crate) field: Option<Ident>,
}

/// Columns that name a row of another table.
pub(crate) struct ForeignKeyInput {
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<Ident>,
    pub(crate) table: LitStr,
    pub(crate) references: Vec<String>,
    pub(crate) on_delete: TokenStream,
}

impl CheckInput {
    pub(crate) fn of_field(field: &Ident, meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let condition = meta.value()?.parse()?;
        Ok(Self { name: None, condition, field: Some(field.clone()) })
    }

    pub(crate) fn of_struct(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let (mut name, mut condition) = (None, None);
        meta.parse_nested_meta(|meta| {
            match &*word_of(&meta)?.to_string() {
                "name" => name = Some(meta.value()?.parse::<LitStr>()?.value()),
                "condition" => condition = Some(meta.value()?.parse()?),
                _ => return Err(meta.error("a check takes name and condition")),
            }
            Ok(())
        })?;
        let condition = condition.ok_or_else(|| meta.error("a check needs `condition = ..`"))?;
        Ok(Self { name, condition, field: None })
    }
}

impl ForeignKeyInput {
    pub(crate) fn of_field(field: &Ident, meta: &ParseNestedMeta<'_>) -> Result<Self> {
        Self::parse(vec![field.clone()], meta)
    }

    pub(crate) fn of_struct(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        Self::parse(Vec::new(), meta)
    }

    fn parse(mut columns: Vec<Ident>, outer: &ParseNestedMeta<'_>) -> Result<Self> {
        let is_field = !columns.is_empty();
        let (mut name, mut table, mut references) = (None, None, Vec::new());
        let mut on_delete = quote!(Restrict);
        outer.parse_nested_meta(|meta| {
            match &*word_of(&meta)?.to_string() {
                "name" => name = Some(meta.value()?.parse::<LitStr>()?.value()),
                "table" => table = Some(meta.value()?.parse::<LitStr>()?),
                "column" if is_field => references.push(meta.value()?.parse::<LitStr>()?.value()),
                "columns" if !is_field => columns = names(&meta)?,
                "references" if !is_field => {
                    references = names(&meta)?.iter().map(ToString::to_string).collect();
                }
                "on_delete" => {
                    let action: Ident = meta.value()?.parse()?;
                    on_delete = match &*action.to_string() {
                        "restrict" => quote!(Restrict),
                        "cascade" => quote!(Cascade),
                        "set_null" => quote!(SetNull),
                        _ => {
                            let message = "restrict, cascade or set_null is expected here";
                            return Err(syn::Error::new(action.span(), message));
                        }
                    };
                }
                _ if is_field => {
                    return Err(meta.error("a foreign key takes name, table, column, on_delete"));
                }
                _ => {
                    return Err(meta.error(
                        "a foreign key takes name, columns, table, references and on_delete",
                    ));
                }
            }
            Ok(())
        })?;
        let table = table.ok_or_else(|| outer.error("a foreign key needs `table = \"..\"`"))?;
        if columns.len() != references.len() {
            let message = format!(
                "{} columns cannot reference {}: give as many of both",
                columns.len(),
                references.len()
            );
            return Err(syn::Error::new(table.span(), message));
        }
        if columns.is_empty() {
            return Err(syn::Error::new(table.span(), "a foreign key has at least one column"));
        }
        Ok(Self { name, columns, table, references, on_delete })
    }

    pub(crate) fn expand(&self, record: &RecordInput) -> Result<TokenStream> {
        let root = &record.root;
        let mut columns = Vec::new();
        for column in &self.columns {
            columns.push(record.fields[record.position(column)?].column.clone());
        }
        let default = format!("{}_{}", record.table, columns.join("_"));
        let name = self.name.clone().unwrap_or(default);
        let Self { table, references, on_delete, .. } = self;
        Ok(quote! {
            .foreign_key(#root::ForeignKey {
                name: ::std::string::String::from(#name),
                columns: ::std::vec![#(::std::string::String::from(#columns)),*],
                table: ::std::string::String::from(#table),
                references: ::std::vec![#(::std::string::String::from(#references)),*],
                on_delete: #root::OnDelete::#on_delete,
            })
        })
    }
}
