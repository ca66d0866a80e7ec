//! Queries as people write them, and what is said of those that cannot be read.

use crate::error::Error;
use crate::text::query::TextQuery;

fn parsed(text: &str) -> TextQuery {
    TextQuery::parse(text).unwrap()
}

fn refused(text: &str) -> String {
    match TextQuery::parse(text) {
        Err(Error::Query { detail, .. }) => detail,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn bool_of(must: &[TextQuery], should: &[TextQuery], must_not: &[TextQuery]) -> TextQuery {
    let (must, should, must_not) = (must.to_vec(), should.to_vec(), must_not.to_vec());
    TextQuery::Bool { must, should, must_not, minimum_should_match: 0 }
}

#[test]
fn words_are_alternatives_or_must_all_match() {
    let (a, b) = (TextQuery::term("a"), TextQuery::term("b"));
    assert_eq!(parsed(" a  b "), TextQuery::any([a.clone(), b.clone()]));
    assert_eq!(TextQuery::parse_all("a b").unwrap(), TextQuery::all([a.clone(), b.clone()]));
    assert_eq!(parsed("a"), a);
    assert_eq!(parsed(""), TextQuery::any([]));
    assert_eq!(parsed("a a"), TextQuery::any([a.clone(), a]));
}

#[test]
fn operators_bind_as_they_should() {
    let term = |text| TextQuery::term(text);
    let and = TextQuery::all([term("b"), term("c")]);
    assert_eq!(parsed("a OR b AND c"), TextQuery::any([term("a"), and]));
    assert_eq!(parsed("a AND NOT b"), bool_of(&[term("a")], &[], &[term("b")]));
    assert_eq!(parsed("+a b -c"), bool_of(&[term("a")], &[term("b")], &[term("c")]));
    assert_eq!(parsed("-c"), bool_of(&[], &[], &[term("c")]));
    let group = TextQuery::any([term("b"), term("c")]);
    assert_eq!(parsed("a AND (b OR c)"), TextQuery::all([term("a"), group]));
    assert_eq!(parsed("ORDER ANDY"), TextQuery::any([term("ORDER"), term("ANDY")]));
}

#[test]
fn suffixes_and_fields_are_read() {
    assert_eq!(parsed("\"a b\"~3"), TextQuery::phrase("a b", 3));
    assert_eq!(parsed("\"a \\\" b\""), TextQuery::phrase("a \" b", 0));
    assert_eq!(parsed("pre*"), TextQuery::prefix("pre"));
    assert_eq!(parsed("word~1"), TextQuery::fuzzy("word", 1));
    assert_eq!(parsed("word~"), TextQuery::fuzzy("word", 2));
    assert_eq!(parsed("/a.*b/"), TextQuery::regex("a.*b"));
    assert_eq!(parsed("word^2.5"), TextQuery::term("word").boost(2.5));
    assert_eq!(parsed("t:(a b)"), parsed("t:a t:b"));
    assert_eq!(parsed("t:\"a b\"^2"), TextQuery::phrase("a b", 0).boost(2.0).in_field("t"));
    assert_eq!(parsed("a\\:b"), TextQuery::term("a:b"));
    assert_eq!(parsed("*"), TextQuery::Everything);
    assert_eq!(parsed("well-known"), TextQuery::term("well-known"));
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    assert_eq!(refused("cat \"dog"), "at byte 4: the quote is not closed");
    assert_eq!(refused("(cat"), "at byte 0: the bracket is not closed");
    assert_eq!(refused("cat)"), "at byte 3: nothing is open that `)` could close");
    assert_eq!(refused("cat~3"), "at byte 4: the distance can be 1 or 2");
    assert_eq!(refused("cat^x"), "at byte 4: a number must follow `^`");
    assert_eq!(refused("cat AND"), "at byte 4: nothing stands behind `AND`");
    assert_eq!(refused("AND cat"), "at byte 0: nothing stands before `AND`");
    assert_eq!(refused("OR cat"), "at byte 0: nothing stands before `OR`");
    assert_eq!(refused("cat OR"), "at byte 6: nothing stands behind `OR`");
    assert_eq!(refused("cat +"), "at byte 4: nothing stands behind the sign");
    assert_eq!(refused("title: cat"), "at byte 0: nothing stands behind the field");
    assert_eq!(refused("/ab"), "at byte 0: the regular expression is not closed");
    assert!(refused(&"(".repeat(10_000)).contains("more than 64"));
}

#[test]
fn lenient_reading_never_fails_and_says_what_it_passed_over() {
    let (query, problems) = TextQuery::parse_lenient("cat) ~ \"dog");
    assert_eq!(problems.len(), 3, "{problems:?}");
    let wanted = TextQuery::any([TextQuery::term("cat"), TextQuery::phrase("dog", 0)]);
    assert_eq!(query, wanted);
    for text in ["", ")))", "((((", "a^", "a~9", "AND OR NOT", "+-+-", "\\", "x:", "^^", "\"~"] {
        let (_, problems) = TextQuery::parse_lenient(text);
        assert_eq!(problems.is_empty(), TextQuery::parse(text).is_ok(), "{text:?}");
    }
}
