//! Conditions and calculations over the columns, written as Rust expressions.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{BinOp, Expr, ExprCall, ExprMethodCall, Ident, Lit, Result, UnOp};

use crate::record::RecordInput;

/// Functions of one column or expression, by the name of the builder that makes them.
const UNARY: [&str; 8] =
    ["is_null", "is_not_null", "lower", "upper", "length", "trim", "abs", "negated"];
/// Functions of two.
const BINARY: [&str; 4] = ["like", "starts_with", "concat", "coalesce"];

/// The calls that build an expression.
pub(crate) fn expand(expression: &Expr, record: &RecordInput) -> Result<TokenStream> {
    let root = &record.root;
    let path = quote!(#root::index::Expression);
    match expression {
        Expr::Paren(inner) => expand(&inner.expr, record),
        Expr::Group(inner) => expand(&inner.expr, record),
        Expr::Reference(inner) => expand(&inner.expr, record),
        Expr::Lit(literal) => match &literal.lit {
            // A whole number without a type would be an i32, which no column has.
            Lit::Int(number) if number.suffix().is_empty() => {
                let number = number.base10_parse::<i64>()?;
                Ok(quote!(#path::literal(#number)))
            }
            Lit::Str(_) | Lit::Int(_) | Lit::Float(_) | Lit::Bool(_) => {
                Ok(quote!(#path::literal(#literal)))
            }
            other => Err(syn::Error::new(other.span(), "no column takes such a value")),
        },
        Expr::Path(named) => {
            let name = named.path.get_ident().ok_or_else(|| {
                syn::Error::new(named.span(), "the name of a field is expected here")
            })?;
            let position = record.position(name)?;
            Ok(quote!(#path::column(#position)))
        }
        Expr::Unary(unary) => {
            let inner = expand(&unary.expr, record)?;
            match unary.op {
                UnOp::Not(_) => Ok(quote!(#inner.negated())),
                UnOp::Neg(_) => Ok(quote!(#path::Negate(::std::boxed::Box::new(#inner)))),
                _ => Err(syn::Error::new(unary.span(), "an expression takes ! and - here")),
            }
        }
        Expr::Binary(binary) => {
            let method = method_of(&binary.op)?;
            let (left, right) = (expand(&binary.left, record)?, expand(&binary.right, record)?);
            Ok(quote!(#left.#method(#right)))
        }
        Expr::MethodCall(ExprMethodCall { receiver, method, args, .. }) => {
            let arguments: Vec<&Expr> = std::iter::once(&**receiver).chain(args).collect();
            call(method, &arguments, record)
        }
        Expr::Call(ExprCall { func, args, .. }) => match &**func {
            Expr::Path(function) if function.path.get_ident().is_some() => {
                let arguments: Vec<&Expr> = args.iter().collect();
                let name = function.path.get_ident().cloned();
                name.map_or_else(|| Err(unknown(expression)), |it| call(&it, &arguments, record))
            }
            _ => Err(unknown(expression)),
        },
        _ => Err(unknown(expression)),
    }
}

fn unknown(expression: &Expr) -> syn::Error {
    syn::Error::new(
        expression.span(),
        "an expression over columns has fields, values, comparisons, && || !, + - * / % and \
         functions",
    )
}

fn method_of(operator: &BinOp) -> Result<TokenStream> {
    Ok(match operator {
        BinOp::Eq(_) => quote!(equal),
        BinOp::Ne(_) => quote!(not_equal),
        BinOp::Lt(_) => quote!(less),
        BinOp::Le(_) => quote!(at_most),
        BinOp::Gt(_) => quote!(greater),
        BinOp::Ge(_) => quote!(at_least),
        BinOp::And(_) => quote!(and),
        BinOp::Or(_) => quote!(or),
        BinOp::Add(_) => quote!(plus),
        BinOp::Sub(_) => quote!(minus),
        BinOp::Mul(_) => quote!(times),
        BinOp::Div(_) => quote!(divided_by),
        BinOp::Rem(_) => quote!(remainder),
        other => {
            let message = "an expression takes == != < <= > >= && || + - * / % here";
            return Err(syn::Error::new(other.span(), message));
        }
    })
}

fn call(function: &Ident, arguments: &[&Expr], record: &RecordInput) -> Result<TokenStream> {
    let name = function.to_string();
    let takes = |count: usize| {
        if arguments.len() == count {
            return Ok(());
        }
        let message = format!("it takes {count} expressions, and is given {}", arguments.len());
        Err(syn::Error::new(function.span(), message))
    };
    let of = |at: usize| expand(arguments[at], record);
    match &*name {
        name if UNARY.contains(&name) => {
            takes(1)?;
            let inner = of(0)?;
            Ok(quote!(#inner.#function()))
        }
        name if BINARY.contains(&name) => {
            takes(2)?;
            let (left, right) = (of(0)?, of(1)?);
            Ok(quote!(#left.#function(#right)))
        }
        "between" | "substring" => {
            takes(3)?;
            let (value, low, high) = (of(0)?, of(1)?, of(2)?);
            Ok(quote!(#value.#function(#low, #high)))
        }
        "json_extract" | "round" => {
            takes(2)?;
            let (inner, argument) = (of(0)?, arguments[1]);
            if !matches!(argument, Expr::Lit(_)) {
                let message = "a plain value is expected here";
                return Err(syn::Error::new(argument.span(), message));
            }
            Ok(quote!(#inner.#function(#argument)))
        }
        "is_in" => {
            takes(2)?;
            let inner = of(0)?;
            let Expr::Array(list) = arguments[1] else {
                let message = "a list such as [1, 2] is expected here";
                return Err(syn::Error::new(arguments[1].span(), message));
            };
            let list = list.elems.iter().map(|one| expand(one, record));
            let list = list.collect::<Result<Vec<TokenStream>>>()?;
            Ok(quote!(#inner.is_in([#(#list),*])))
        }
        _ => {
            let names = [&UNARY[..], &BINARY[..]].concat().join(", ");
            let message = format!(
                "no function of columns; there are {names}, between, substring, json_extract, \
                 round and is_in"
            );
            Err(syn::Error::new(function.span(), message))
        }
    }
}

/// Names that stand for fields in an expression, in order.
pub(crate) fn fields(expression: &Expr) -> Vec<Ident> {
    match expression {
        Expr::Path(path) => path.path.get_ident().cloned().into_iter().collect(),
        Expr::Paren(inner) => fields(&inner.expr),
        Expr::Group(inner) => fields(&inner.expr),
        Expr::Reference(inner) => fields(&inner.expr),
        Expr::Unary(inner) => fields(&inner.expr),
        Expr::Binary(both) => [fields(&both.left), fields(&both.right)].concat(),
        Expr::MethodCall(call) => {
            std::iter::once(&*call.receiver).chain(&call.args).flat_map(fields).collect()
        }
        Expr::Call(call) => call.args.iter().flat_map(fields).collect(),
        Expr::Array(list) => list.elems.iter().flat_map(fields).collect(),
        _ => Vec::new(),
    }
}
