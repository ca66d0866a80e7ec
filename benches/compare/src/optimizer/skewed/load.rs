//! The queries of the load: frequent and rare values of what hangs together.

use lightning_db_expression::Expression;

use crate::optimizer::queries::{Columns, Joins};

/// Conditions that columns equal values.
fn equal(c: Columns<'_>, pairs: &[(&str, i64)]) -> Vec<Expression> {
    pairs.iter().map(|(column, value)| c(column).equal(*value)).collect()
}

/// Purchases with their shoppers, and so on.
const BOUGHT: (&[&str], &[&str]) = (&["shopper", "purchase"], &["s_id p_shopper"]);
const PIECES: (&[&str], &[&str]) =
    (&["shopper", "purchase", "piece"], &["s_id p_shopper", "p_id i_purchase"]);
const SOLD: (&[&str], &[&str]) = (&["article", "piece"], &["a_id i_article"]);
const ORDERED: (&[&str], &[&str]) =
    (&["article", "piece", "purchase"], &["a_id i_article", "p_id i_purchase"]);
const CLAIMED: (&[&str], &[&str]) =
    (&["claim", "piece", "article"], &["i_id k_piece", "a_id i_article"]);
const RETURNED: (&[&str], &[&str]) = (
    &["claim", "piece", "article", "purchase"],
    &["i_id k_piece", "a_id i_article", "p_id i_purchase"],
);
const ALL: (&[&str], &[&str]) = (
    &["shopper", "purchase", "piece", "article"],
    &["s_id p_shopper", "p_id i_purchase", "a_id i_article"],
);
const WHOLE: (&[&str], &[&str]) = (
    &["shopper", "purchase", "piece", "article", "claim"],
    &["s_id p_shopper", "p_id i_purchase", "a_id i_article", "i_id k_piece"],
);

macro_rules! load {
    ($($name:literal $of:ident: $($column:literal $value:literal)*;)*) => {
        /// All of them.
        pub(crate) const LOAD: &[Joins] = &[$(Joins {
            name: $name,
            tables: $of.0,
            equal: $of.1,
            conditions: |c| equal(c, &[$(($column, $value)),*]),
        }),*];
    };
}

load! {
    "of shops" BOUGHT: "s_kind" 1;
    "of shops in a city" BOUGHT: "s_kind" 1 "s_country" 0 "s_city" 0;
    "of a frequent city" BOUGHT: "s_country" 0 "s_city" 1;
    "of a rare city" BOUGHT: "s_country" 12 "s_city" 310;
    "of others, on account" BOUGHT: "s_kind" 3 "p_state" 3;
    "pieces of shops" PIECES: "s_kind" 1 "p_state" 3;
    "pieces of a frequent city" PIECES: "s_country" 0 "s_city" 0;
    "pieces of shops, not on account" PIECES: "s_kind" 1 "p_state" 2;
    "pieces of a city, on a day" PIECES: "s_country" 1 "s_city" 26 "p_day" 30;
    "sold most" SOLD: "a_category" 0;
    "sold of a brand" SOLD: "a_category" 0 "a_brand" 1;
    "sold of a rare brand" SOLD: "a_category" 11 "a_brand" 238;
    "sold on a day" ORDERED: "a_category" 0 "a_brand" 0 "p_day" 77;
    "sold on account" ORDERED: "a_category" 0 "a_brand" 2 "p_state" 3;
    "sold seldom on account" ORDERED: "a_category" 5 "a_brand" 101 "p_state" 3;
    "came back" CLAIMED: "k_reason" 4 "a_category" 7;
    "came back of a brand" CLAIMED: "k_reason" 4 "a_category" 7 "a_brand" 140;
    "came back, of what is sold" CLAIMED: "k_reason" 4 "a_category" 0;
    "claims of a brand" CLAIMED: "a_category" 0 "a_brand" 3;
    "returned on account" RETURNED: "k_reason" 4 "a_category" 7 "p_state" 3;
    "returned on a day" RETURNED: "k_reason" 4 "a_category" 7 "p_day" 10;
    "brands of shops" ALL: "s_kind" 1 "a_category" 0 "a_brand" 0;
    "brands of a city" ALL: "s_country" 0 "s_city" 0 "a_category" 0 "a_brand" 1;
    "brands of a rare city" ALL: "s_country" 9 "s_city" 226 "a_category" 3 "a_brand" 61;
    "claims of shops" WHOLE: "s_kind" 1 "a_category" 7 "a_brand" 141 "k_reason" 4;
    "claims of a city" WHOLE: "s_country" 0 "s_city" 0 "a_category" 7 "k_reason" 4;
    "claims of a city on what is sold" WHOLE: "s_country" 2 "s_city" 50 "a_category" 0 "k_reason" 1;
}
