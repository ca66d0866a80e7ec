//! What a struct and its attributes say, before it is put into expressions.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Expr, Fields, Ident, LitStr, Path, Result, Type};

use crate::constraint::{CheckInput, ForeignKeyInput};
use crate::index::{IndexInput, IndexKeyword};

/// A struct with its attributes.
pub(crate) struct RecordInput {
    pub(crate) name: Ident,
    pub(crate) root: Path,
    pub(crate) table: String,
    pub(crate) fields: Vec<FieldInput>,
    /// Positions of the fields of the primary key, in order.
    pub(crate) key: Vec<usize>,
    /// Position of the field with the time at which a row ends.
    pub(crate) expires_at: Option<usize>,
    pub(crate) indexes: Vec<IndexInput>,
    pub(crate) checks: Vec<CheckInput>,
    pub(crate) foreign_keys: Vec<ForeignKeyInput>,
}

/// A field with its attributes.
pub(crate) struct FieldInput {
    pub(crate) name: Ident,
    pub(crate) column: String,
    pub(crate) field_type: Type,
    pub(crate) default: Option<Expr>,
    pub(crate) generated: Option<Expr>,
}

impl RecordInput {
    /// Reads a struct; `root` is where the table crate is, unless the struct says otherwise.
    pub(crate) fn new(input: &DeriveInput, root: Path) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(syn::Error::new(input.ident.span(), "a record is a struct"));
        };
        let Fields::Named(fields) = &data.fields else {
            let message = "a record has named fields: each is a column";
            return Err(syn::Error::new(input.ident.span(), message));
        };
        if !input.generics.params.is_empty() {
            let message = "a record has no type parameters and no lifetimes: it owns its values";
            return Err(syn::Error::new(input.generics.span(), message));
        }
        let mut record = Self {
            name: input.ident.clone(),
            root,
            table: input.ident.unraw().to_string().to_lowercase(),
            fields: Vec::new(),
            key: Vec::new(),
            expires_at: None,
            indexes: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
        };
        for field in &fields.named {
            let Some(name) = field.ident.clone() else { continue };
            let column = name.unraw().to_string();
            let field_type = field.ty.clone();
            let input = FieldInput { name, column, field_type, default: None, generated: None };
            record.fields.push(input);
        }
        for (position, field) in fields.named.iter().enumerate() {
            for attribute in field.attrs.iter().filter(|it| it.path().is_ident("record")) {
                attribute.parse_nested_meta(|meta| record.field_attribute(position, &meta))?;
            }
        }
        let mut struct_key = None;
        for attribute in input.attrs.iter().filter(|it| it.path().is_ident("record")) {
            attribute.parse_nested_meta(|meta| record.struct_attribute(&mut struct_key, &meta))?;
        }
        if let Some((span, key)) = struct_key {
            if !record.key.is_empty() {
                return Err(syn::Error::new(span, "fields are marked with `key` already"));
            }
            record.key = key;
        }
        record.check_names()?;
        Ok(record)
    }

    fn field_attribute(&mut self, position: usize, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let name = self.fields[position].name.clone();
        let word = word_of(meta)?;
        match &*word.to_string() {
            "key" => self.key.push(position),
            "rename" => self.fields[position].column = meta.value()?.parse::<LitStr>()?.value(),
            "default" => self.fields[position].default = Some(meta.value()?.parse()?),
            "generated" => self.fields[position].generated = Some(meta.value()?.parse()?),
            "ttl" if self.expires_at.is_some() => {
                return Err(meta.error("a record has one `ttl`"));
            }
            "ttl" => self.expires_at = Some(position),
            "check" => self.checks.push(CheckInput::of_field(&name, meta)?),
            "foreign_key" => {
                self.foreign_keys.push(ForeignKeyInput::of_field(&name, meta)?);
            }
            _ => match IndexKeyword::new(&word)? {
                Some(keyword) => {
                    self.indexes.push(IndexInput::of_field(&name, keyword, &word, meta)?);
                }
                None => {
                    return Err(syn::Error::new(
                        word.span(),
                        "not known here; a field takes key, rename, default, generated, check, \
                         ttl, unique, index, fts, geo and foreign_key",
                    ));
                }
            },
        }
        Ok(())
    }

    fn struct_attribute(
        &mut self,
        key: &mut Option<(Span, Vec<usize>)>,
        meta: &ParseNestedMeta<'_>,
    ) -> Result<()> {
        let word = word_of(meta)?;
        match &*word.to_string() {
            "table" => self.table = meta.value()?.parse::<LitStr>()?.value(),
            "crate" => self.root = meta.value()?.call(Path::parse_mod_style)?,
            "key" => {
                let names = names(meta)?;
                let positions = names.iter().map(|name| self.position(name));
                *key = Some((word.span(), positions.collect::<Result<_>>()?));
            }
            "check" => self.checks.push(CheckInput::of_struct(meta)?),
            "foreign_key" => self.foreign_keys.push(ForeignKeyInput::of_struct(meta)?),
            _ => match IndexKeyword::new(&word)? {
                Some(keyword) => self.indexes.push(IndexInput::of_struct(keyword, &word, meta)?),
                None => {
                    return Err(syn::Error::new(
                        word.span(),
                        "not known here; a record takes table, crate, key, index, unique, fts, \
                         geo, check and foreign_key",
                    ));
                }
            },
        }
        Ok(())
    }

    /// Position of a field.
    pub(crate) fn position(&self, name: &Ident) -> Result<usize> {
        let found = self.fields.iter().position(|field| field.name == *name);
        found.ok_or_else(|| {
            let fields: Vec<String> =
                self.fields.iter().map(|field| field.name.to_string()).collect();
            let message = format!("no field of this name; there are {}", fields.join(", "));
            syn::Error::new(name.span(), message)
        })
    }

    fn check_names(&self) -> Result<()> {
        for (at, field) in self.fields.iter().enumerate() {
            if self.fields[..at].iter().any(|before| before.column == field.column) {
                let message = format!("two columns are named {}", field.column);
                return Err(syn::Error::new(field.name.span(), message));
            }
            if field.default.is_some() && field.generated.is_some() {
                let message = "a generated column has no default";
                return Err(syn::Error::new(field.name.span(), message));
            }
        }
        for (at, position) in self.key.iter().enumerate() {
            if self.key[..at].contains(position) {
                let message = "it stands twice in the key";
                return Err(syn::Error::new(self.fields[*position].name.span(), message));
            }
        }
        Ok(())
    }
}

/// The one word that an attribute starts with; also a keyword such as `crate`.
pub(crate) fn word_of(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    let word = meta.path.get_ident().cloned();
    word.ok_or_else(|| meta.error("one word is expected here"))
}

/// Names in parentheses, separated by commas.
pub(crate) fn names(meta: &ParseNestedMeta<'_>) -> Result<Vec<Ident>> {
    let content;
    syn::parenthesized!(content in meta.input);
    let names = content.parse_terminated(Ident::parse_any, syn::Token![,])?;
    if names.is_empty() {
        return Err(content.error("at least one field is expected here"));
    }
    Ok(names.into_iter().collect())
}
