//! Merges partial requests over whole ones.

use serde_json::{Map, Value};

/// Fields that state an object's variant. Its other fields are specific to that variant.
const KINDS: [&str; 2] = ["type", "by"];

/// Merges `change` into `base` according to RFC 7396: objects are merged field by field, `null` removes a field, and
/// any other value replaces the previous one.
///
/// There is one additional rule: an object whose `type` (or `by`, for a split) changes to another value is replaced
/// as a whole, because Adam's `beta_1`, for example, is not a field of SGD.
pub fn merge(base: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        base.clone_from(change);
        return;
    };
    if !base.is_object() || is_of_another_kind(base, change) {
        *base = Value::Object(Map::new());
    }
    let Some(fields) = base.as_object_mut() else { return };
    for (name, change) in change {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

fn is_of_another_kind(base: &Value, change: &Map<String, Value>) -> bool {
    KINDS.iter().any(|&kind| change.get(kind).is_some_and(|named| base.get(kind).is_some_and(|was| was != named)))
}

/// Sets the value at a JSON pointer (RFC 6901) and creates missing objects on the path. In a list, only existing
/// indices are allowed. Returns `false` if the path passes through any other value.
pub fn put(into: &mut Value, pointer: &str, value: Value) -> bool {
    let Some(path) = pointer.strip_prefix('/') else { return false };
    let mut place = into;
    for part in path.split('/') {
        let name = part.replace("~1", "/").replace("~0", "~");
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let next = match place {
            Value::Object(fields) => Some(fields.entry(name).or_insert(Value::Null)),
            Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get_mut(at)),
            _ => None,
        };
        let Some(next) = next else { return false };
        place = next;
    }
    *place = value;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_merged_as_the_rfc_says() {
        // The examples with objects in RFC 7396, appendix A.
        for (base, change, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut found = base;
            merge(&mut found, &change);
            assert_eq!(found, merged);
        }
    }

    #[test]
    fn an_object_of_another_kind_is_replaced_as_a_whole() {
        let mut order = json!({"optimizer": {"type": "adam", "beta_1": 0.8}});
        merge(&mut order, &json!({"optimizer": {"type": "adam", "learning_rate": 0.1}}));
        assert_eq!(order["optimizer"], json!({"type": "adam", "beta_1": 0.8, "learning_rate": 0.1}));
        merge(&mut order, &json!({"optimizer": {"type": "sgd"}}));
        assert_eq!(order["optimizer"], json!({"type": "sgd"}));
    }

    #[test]
    fn a_value_is_put_at_its_pointer() {
        let mut order = json!({"model": {"layers": [8, 8]}});
        assert!(put(&mut order, "/model/layers/1", json!(16)));
        assert!(put(&mut order, "/training/optimizer/learning_rate", json!(0.1)));
        assert_eq!(order, json!({"model": {"layers": [8, 16]}, "training": {"optimizer": {"learning_rate": 0.1}}}));
        for wrong in ["", "model", "/model/layers/2", "/model/layers/0/x"] {
            assert!(!put(&mut order, wrong, json!(1)), "{wrong}");
        }
    }
}
