use serde::Deserialize;
use serde_json::json;

use super::*;

/// A body like those of requests: nested blocks, variants, lists, bounds.
#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Body {
    #[schema(min_length = 1, max_length = 5)]
    name: Option<String>,
    data: Data,
    #[serde(default)]
    optimizer: Option<Optimizer>,
    #[serde(default)]
    clip: Option<Clip>,
    #[serde(default)]
    #[schema(max_items = 3, minimum = 0.001, maximum = 0.999, extensions(("x-hint" = json!("levels are shares"))))]
    levels: Vec<f64>,
}

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Data {
    #[schema(minimum = 1, maximum = 10000)]
    horizon: u32,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 18446744073709551615u64)]
    seed: u64,
    #[serde(default)]
    targets: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Optimizer {
    Adam {
        #[schema(minimum = 0.0, maximum = 1.0)]
        beta_1: f64,
    },
    Sgd {},
    Other(Nested),
}

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Nested {
    rate: f64,
}

#[derive(Debug, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Clip {
    Norm(f64),
    Value(f64),
}

fn errors(body: &str) -> Vec<(String, String)> {
    match read::<Body>(body.as_bytes()) {
        Err(Invalid::Fields(errors)) => errors.into_iter().map(|error| (error.pointer, error.detail)).collect(),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let found =
        errors(r#"{"nam": "x", "data": {"horizon": 0, "targets": [1]}, "optimizer": {"type": "adm"}, "levels": 3}"#);
    let expected = [
        ("/nam", "unknown field; did you mean `name`?"),
        ("/data/horizon", "must be at least 1, found 0"),
        ("/data/targets/0", "expected a string, found the number 1"),
        ("/optimizer/type", "expected one of `adam`, `sgd`, `other`, found `adm`; did you mean `adam`?"),
        ("/levels", "expected an array, found the number 3"),
    ];
    assert_eq!(found, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
}

#[test]
fn one_mistake_is_named_by_its_place() {
    for (body, pointer, detail) in [
        (r#"{}"#, "/data", "this field is required"),
        (r#"[]"#, "", "expected an object, found an array"),
        (r#"{"data": []}"#, "/data", "expected an object, found an array"),
        (r#"{"data": null}"#, "/data", "expected an object, found null"),
        (r#"{"data": {"horizon": 1.5}}"#, "/data/horizon", "expected an integer, found the number 1.5"),
        (r#"{"data": {"horizon": "9"}}"#, "/data/horizon", "expected an integer, found the string `9`"),
        (r#"{"data": {"horizon": -1}}"#, "/data/horizon", "must be at least 1, found -1"),
        (r#"{"data": {"horizon": 1, "seed": 18446744073709551616}}"#, "/data/seed", "expected an integer"),
        (r#"{"horizon": 1, "data": {"horizon": 1}}"#, "/horizon", "did you mean `data.horizon`?"),
        (r#"{"data": {"horizon": 1, "beta_1": 1}}"#, "/data/beta_1", "did you mean `optimizer.beta_1`?"),
        (r#"{"zebra": 1, "data": {"horizon": 1}}"#, "/zebra", "unknown field; known fields are `clip`, `data`"),
        (r#"{"name": "", "data": {"horizon": 1}}"#, "/name", "must not be empty"),
        (r#"{"name": "abcdef", "data": {"horizon": 1}}"#, "/name", "at most 5 characters, found 6"),
        (r#"{"levels": [0.1, 80], "data": {"horizon": 1}}"#, "/levels/1", "found 80; levels are shares"),
        (r#"{"levels": [0.1, 0.1, 0.1, 0.1], "data": {"horizon": 1}}"#, "/levels", "at most 3 items, found 4"),
        (r#"{"optimizer": {"rate": 1}, "data": {"horizon": 1}}"#, "/optimizer/type", "this field is required: one of"),
        (r#"{"optimizer": {"type": 1}, "data": {"horizon": 1}}"#, "/optimizer/type", "expected a string, one of"),
        (
            r#"{"optimizer": {"type": "sgd", "beta_1": 1}, "data": {"horizon": 1}}"#,
            "/optimizer/beta_1",
            "unknown field",
        ),
        (
            r#"{"optimizer": {"type": "other", "rat": 1}, "data": {"horizon": 1}}"#,
            "/optimizer/rat",
            "did you mean `rate`",
        ),
        (r#"{"clip": {}, "data": {"horizon": 1}}"#, "/clip", "expected exactly one of the fields `norm`, `value`"),
        (r#"{"clip": {"norm": 1, "value": 1}, "data": {"horizon": 1}}"#, "/clip", "found `norm`, `value`"),
        (r#"{"clip": {"norm": "x"}, "data": {"horizon": 1}}"#, "/clip/norm", "expected a number, found the string `x`"),
        (r#"{"a/b~": 1, "data": {"horizon": 1}}"#, "/a~1b~0", "unknown field"),
    ] {
        let found = errors(body);
        assert!(found[0].0 == pointer && found[0].1.contains(detail), "{body}\n -> {found:?}");
    }
}

#[test]
fn what_the_schema_accepts_is_read() {
    let body = r#"{"name": null, "data": {"horizon": 9, "seed": 18446744073709551615},
                   "optimizer": {"type": "other", "rate": 1}, "clip": {"norm": 1}, "levels": [0.5]}"#;
    let read = read::<Body>(body.as_bytes()).unwrap();
    assert_eq!((read.data.seed, read.optimizer), (u64::MAX, Some(Optimizer::Other(Nested { rate: 1.0 }))));
    let value: Value = serde_json::from_str(body).unwrap();
    assert!(read_value::<Body>(value).is_ok());
}

#[test]
fn equal_mistakes_in_a_list_are_folded() {
    let targets = vec!["1"; 20].join(", ");
    let found = errors(&format!(r#"{{"data": {{"horizon": 1, "targets": [{targets}]}}, "zebra": 1, "yak": 1}}"#));
    let folded = "expected a string, found the number 1 (also at 19 more places, the last /data/targets/19)";
    assert_eq!(found[0], ("/data/targets/0".to_owned(), folded.to_owned()));
    assert_eq!(found.len(), 3, "fields of other names are errors of their own: {found:?}");
    let two = errors(r#"{"data": {"horizon": 1}, "levels": [5, 5]}"#);
    assert!(two.len() == 1 && two[0].1.ends_with("(also at /levels/1)"), "{two:?}");
}

#[test]
fn at_most_a_hundred_mistakes_are_reported() {
    let fields: Vec<String> = (0..5000).map(|at| format!(r#""zebra {at}": 1"#)).collect();
    assert_eq!(errors(&format!("{{{}}}", fields.join(", "))).len(), 100);
}

#[test]
fn invalid_json_is_rejected_with_its_line() {
    let deep = format!("{}{}", "[".repeat(250_000), "]".repeat(250_000));
    for (body, detail) in [
        ("", "empty"),
        (" \n", "empty"),
        ("{\n  \"data\": }", "line 2"),
        ("{\"name\": \"x\",}", "line 1"),
        ("{\"name\": NaN}", "line 1"),
        ("{\"name\": 1e999}", "out of range"),
        ("{\"name\": \"a\", \"name\": \"b\"}", "duplicate key `name`"),
        ("{\"zebra\": {\"x\": [{\"b\": 1, \"b\": 1}]}}", "duplicate key `b`"),
        ("{\"optimizer\": {\"type\": \"adam\", \"type\": \"sgd\"}}", "duplicate key `type`"),
        ("{} {}", "trailing"),
        (deep.as_str(), "nested deeper than 32"),
    ] {
        match read::<Body>(body.as_bytes()) {
            Err(Invalid::Syntax(told)) => assert!(told.contains(detail), "{told}"),
            other => panic!("{}: {other:?}", &body[..body.len().min(40)]),
        }
    }
    assert!(matches!(read::<Body>(b"{\"name\": \"\xff\"}"), Err(Invalid::Syntax(_))));
}

#[test]
fn a_wrapped_object_and_its_tag_become_one_object_for_each_variant() {
    let object = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let mut components = Map::from_iter([
        ("A".to_owned(), object("a")),
        ("B".to_owned(), object("b")),
        (
            "Either".to_owned(),
            json!({"oneOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]}),
        ),
        (
            "Tagged".to_owned(),
            json!({"allOf": [{"$ref": "#/components/schemas/Either"}, object("kind")], "description": "d"}),
        ),
    ]);
    flatten(&mut components);
    let tagged = &components["Tagged"];
    assert_eq!(
        (tagged["oneOf"][0]["required"].clone(), tagged["oneOf"][1]["required"].clone()),
        (json!(["a", "kind"]), json!(["b", "kind"]))
    );
    assert_eq!(tagged["description"], "d");
}
