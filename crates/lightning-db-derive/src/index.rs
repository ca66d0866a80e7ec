//! Indexes as attributes declare them.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::{Expr, ExprMethodCall, Ident, LitStr, Result, Token};

use crate::expression;
use crate::record::{RecordInput, names, word_of};

/// What an index is declared with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexKeyword {
    Index,
    Unique,
    Text,
    Spatial,
}

/// Kind of an index.
#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Ordered,
    Unique,
    Hash,
    Bitmap,
    Bloom,
    Text(Option<Ident>),
    /// Of the plane, or of the sphere.
    Spatial {
        sphere: bool,
    },
}

/// How a part sorts.
#[derive(Clone, Copy, Default)]
struct Order {
    descending: bool,
    nulls_first: Option<bool>,
}

/// An index.
pub(crate) struct IndexInput {
    name: Option<String>,
    span: Span,
    kind: Kind,
    parts: Vec<(Expr, Order)>,
    include: Vec<Ident>,
    condition: Option<Expr>,
    nulls_not_distinct: bool,
    deferrable: bool,
}

impl IndexKeyword {
    /// The keyword that a word is, if it is one.
    pub(crate) fn new(word: &Ident) -> Result<Option<Self>> {
        let missing = |feature: &str| {
            let message = format!("this needs the feature `{feature}` of the table crate");
            Err(syn::Error::new(word.span(), message))
        };
        match &*word.to_string() {
            "index" => Ok(Some(Self::Index)),
            "unique" => Ok(Some(Self::Unique)),
            "fts" if !cfg!(feature = "text") => missing("text"),
            "fts" => Ok(Some(Self::Text)),
            "geo" if !cfg!(feature = "spatial") => missing("spatial"),
            "geo" => Ok(Some(Self::Spatial)),
            _ => Ok(None),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Index => Kind::Ordered,
            Self::Unique => Kind::Unique,
            Self::Text => Kind::Text(None),
            Self::Spatial => Kind::Spatial { sphere: false },
        }
    }
}

impl IndexInput {
    pub(crate) fn of_field(
        field: &Ident,
        keyword: IndexKeyword,
        word: &Ident,
        meta: &ParseNestedMeta<'_>,
    ) -> Result<Self> {
        let mut index = Self::empty(keyword, word);
        let mut order = Order::default();
        if meta.input.peek(syn::token::Paren) {
            meta.parse_nested_meta(|meta| {
                let word = word_of(&meta)?;
                match &*word.to_string() {
                    "asc" => order.descending = false,
                    "desc" => order.descending = true,
                    "nulls_first" => order.nulls_first = Some(true),
                    "nulls_last" => order.nulls_first = Some(false),
                    "on" => return Err(meta.error("`on(..)` stands in an attribute of the struct")),
                    _ => index.argument(keyword, &word, &meta)?,
                }
                Ok(())
            })?;
        }
        index.parts.push((syn::parse_quote!(#field), order));
        Ok(index)
    }

    pub(crate) fn of_struct(
        keyword: IndexKeyword,
        word: &Ident,
        meta: &ParseNestedMeta<'_>,
    ) -> Result<Self> {
        let mut index = Self::empty(keyword, word);
        meta.parse_nested_meta(|meta| {
            let word = word_of(&meta)?;
            if word == "on" {
                let content;
                syn::parenthesized!(content in meta.input);
                for part in content.parse_terminated(Expr::parse, Token![,])? {
                    index.parts.push(order_of(part)?);
                }
                return Ok(());
            }
            index.argument(keyword, &word, &meta)
        })?;
        if index.parts.is_empty() {
            return Err(syn::Error::new(word.span(), "an index of a record needs `on(..)`"));
        }
        Ok(index)
    }

    fn empty(keyword: IndexKeyword, word: &Ident) -> Self {
        Self {
            name: None,
            span: word.span(),
            kind: keyword.kind(),
            parts: Vec::new(),
            include: Vec::new(),
            condition: None,
            nulls_not_distinct: false,
            deferrable: false,
        }
    }

    fn argument(
        &mut self,
        keyword: IndexKeyword,
        word: &Ident,
        meta: &ParseNestedMeta<'_>,
    ) -> Result<()> {
        match (&*word.to_string(), keyword) {
            ("name", _) => self.name = Some(meta.value()?.parse::<LitStr>()?.value()),
            ("condition", _) => self.condition = Some(meta.value()?.parse()?),
            ("include", IndexKeyword::Index | IndexKeyword::Unique) => self.include = names(meta)?,
            ("ordered", IndexKeyword::Index) => self.kind = Kind::Ordered,
            ("hash", IndexKeyword::Index) => self.kind = Kind::Hash,
            ("bitmap", IndexKeyword::Index) => self.kind = Kind::Bitmap,
            ("bloom", IndexKeyword::Index) => self.kind = Kind::Bloom,
            ("nulls_not_distinct", IndexKeyword::Unique) => self.nulls_not_distinct = true,
            ("deferrable", IndexKeyword::Unique) => self.deferrable = true,
            ("sphere", IndexKeyword::Spatial) => self.kind = Kind::Spatial { sphere: true },
            (_, IndexKeyword::Text) if analyzer(word).is_some() => {
                self.kind = Kind::Text(Some(word.clone()));
            }
            (_, keyword) => {
                let takes = match keyword {
                    IndexKeyword::Index => {
                        "an index takes ordered, hash, bitmap, bloom, name, include, condition"
                    }
                    IndexKeyword::Unique => {
                        "a unique index takes name, include, condition, nulls_not_distinct and \
                         deferrable"
                    }
                    IndexKeyword::Text => {
                        "a full-text index takes name, condition and an analyzer: simple, \
                         whitespace, raw, facet, or a language such as english"
                    }
                    IndexKeyword::Spatial => "a spatial index takes sphere, name and condition",
                };
                return Err(syn::Error::new(word.span(), format!("not known here; {takes}")));
            }
        }
        Ok(())
    }

    /// Its name, made from its columns if none is given.
    pub(crate) fn name(&self, record: &RecordInput) -> Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let mut name = record.table.clone();
        for (part, _) in &self.parts {
            for field in expression::fields(part) {
                name.push('_');
                name.push_str(&record.fields[record.position(&field)?].column);
            }
        }
        name.push_str(match self.kind {
            Kind::Ordered | Kind::Unique => "",
            Kind::Hash => "_hash",
            Kind::Bitmap => "_bitmap",
            Kind::Bloom => "_bloom",
            Kind::Text(_) => "_text",
            Kind::Spatial { .. } => "_place",
        });
        Ok(name)
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    pub(crate) fn expand(&self, record: &RecordInput) -> Result<TokenStream> {
        let root = &record.root;
        let name = self.name(record)?;
        if !self.include.is_empty() && !matches!(self.kind, Kind::Ordered | Kind::Unique) {
            let message = "only an ordered or unique index covers columns";
            return Err(syn::Error::new(self.include[0].span(), message));
        }
        let mut spec = match &self.kind {
            Kind::Ordered => quote!(#root::IndexSpec::ordered(#name)),
            Kind::Unique => quote!(#root::IndexSpec::unique(#name)),
            Kind::Hash => quote!(#root::IndexSpec::hash(#name)),
            Kind::Bitmap => quote!(#root::IndexSpec::bitmap(#name)),
            Kind::Bloom => quote!(#root::IndexSpec::bloom(#name)),
            Kind::Spatial { sphere: false } => quote!(#root::IndexSpec::spatial(#name)),
            Kind::Spatial { sphere: true } => quote!(#root::IndexSpec::spatial(#name).sphere()),
            Kind::Text(word) => {
                let path = quote!(#root::index);
                let analyzer = word.as_ref().and_then(analyzer);
                let simple = || quote!(#path::Analyzer::Simple);
                let analyzer = analyzer.map_or_else(simple, |analyzer| analyzer.path(&path));
                quote!(#root::IndexSpec::text(#name, #analyzer))
            }
        };
        for (part, order) in &self.parts {
            let part = expression::expand(part, record)?;
            let order = order.expand(root);
            spec = quote!(#spec.part(#part, #order));
        }
        if !self.include.is_empty() {
            let positions = self.include.iter().map(|name| record.position(name));
            let positions = positions.collect::<Result<Vec<usize>>>()?;
            spec = quote!(#spec.include([#(#positions),*]));
        }
        if self.nulls_not_distinct {
            spec = quote!(#spec.nulls_not_distinct());
        }
        if self.deferrable {
            spec = quote!(#spec.deferrable());
        }
        if let Some(condition) = &self.condition {
            let condition = expression::expand(condition, record)?;
            spec = quote!(#spec.condition(#condition));
        }
        Ok(quote!(.index(#spec)))
    }
}

impl Order {
    fn expand(self, root: &syn::Path) -> TokenStream {
        let order = if self.descending {
            quote!(#root::ColumnOrder::DESCENDING)
        } else {
            quote!(#root::ColumnOrder::ASCENDING)
        };
        match self.nulls_first {
            Some(true) => quote!(#order.with_nulls_first()),
            Some(false) => quote!(#order.with_nulls_last()),
            None => order,
        }
    }
}

/// Takes `.desc()` and the like from the end of a part.
fn order_of(mut part: Expr) -> Result<(Expr, Order)> {
    let mut order = Order::default();
    loop {
        let Expr::MethodCall(ExprMethodCall { receiver, method, args, .. }) = &part else {
            return Ok((part, order));
        };
        match &*method.to_string() {
            "asc" => order.descending = false,
            "desc" => order.descending = true,
            "nulls_first" => order.nulls_first = Some(true),
            "nulls_last" => order.nulls_first = Some(false),
            _ => return Ok((part, order)),
        }
        if !args.is_empty() {
            return Err(syn::Error::new(method.span(), "it takes no arguments"));
        }
        part = (**receiver).clone();
    }
}

/// How text becomes words.
enum Analyzer {
    Named(Ident),
    Language(Ident),
}

impl Analyzer {
    fn path(&self, index: &TokenStream) -> TokenStream {
        match self {
            Self::Named(name) => quote!(#index::Analyzer::#name),
            Self::Language(language) => quote! {
                #index::Analyzer::Language {
                    language: #index::Language::#language,
                    stop_words: true,
                }
            },
        }
    }
}

/// The analyzer that a word names.
fn analyzer(word: &Ident) -> Option<Analyzer> {
    const LANGUAGES: [&str; 18] = [
        "arabic",
        "danish",
        "dutch",
        "english",
        "finnish",
        "french",
        "german",
        "greek",
        "hungarian",
        "italian",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
    ];
    let text = word.unraw().to_string();
    let mut variant = text.clone();
    variant.get_mut(..1)?.make_ascii_uppercase();
    let variant = Ident::new(&variant, word.span());
    match &*text {
        "simple" | "whitespace" | "raw" | "facet" => Some(Analyzer::Named(variant)),
        text if LANGUAGES.contains(&text) => Some(Analyzer::Language(variant)),
        _ => None,
    }
}
