//! Selects the variant that an object belongs to.

use serde_json::Value;

use super::node::{Node, Object, quoted};
use super::report::{Report, shown};
use super::suggest;

/// Returns the variant to check `object` against. If there is none, an error is reported and `None` returned.
///
/// Variants are distinguished by the value of a field that all of them have (`type`, `kind`, `by`), otherwise by a
/// field that only one of them requires.
pub(super) fn choose<'n>(node: &'n Node, object: &Value, report: &mut Report<'n>) -> Option<&'n Object> {
    match node.tag() {
        Some(tag) => by_tag(node, tag, object, report),
        None => by_field(node, object, report),
    }
}

fn by_tag<'n>(node: &'n Node, tag: &str, object: &Value, report: &mut Report<'n>) -> Option<&'n Object> {
    let words = |variant: &'n Object| {
        let text = variant.field(tag).and_then(|field| field.node.text.as_ref());
        text.map(|text| text.words.as_slice()).unwrap_or_default()
    };
    let all = || node.objects.iter().flat_map(|variant| words(variant)).map(String::as_str);
    let detail = match object.get(tag) {
        Some(Value::String(word)) => {
            if let Some(variant) = node.objects.iter().find(|variant| words(variant).contains(word)) {
                return Some(variant);
            }
            format!("expected one of {}, found {}{}", quoted(all()), shown(word), suggest::nearest(word, all()))
        }
        Some(_) => format!("expected a string, one of {}", quoted(all())),
        None => format!("this field is required: one of {}", quoted(all())),
    };
    report.add_field(tag, detail);
    None
}

fn by_field<'n>(node: &'n Node, object: &Value, report: &mut Report<'n>) -> Option<&'n Object> {
    let given = |name: &str| object.get(name).is_some_and(|value| !value.is_null());
    let own: Vec<(&str, &'n Object)> =
        node.objects.iter().filter_map(|variant| Some((distinct(variant, node)?, &**variant))).collect();
    let found: Vec<&(&str, &'n Object)> = own.iter().filter(|(name, _)| given(name)).collect();
    if let [(_, variant)] = found.as_slice() {
        return Some(variant);
    }
    let names = quoted(own.iter().map(|(name, _)| *name));
    report.add(match found.as_slice() {
        [] => format!("expected exactly one of the fields {names}"),
        several => {
            let several = quoted(several.iter().map(|(name, _)| *name));
            format!("expected exactly one of the fields {names}, found {several}")
        }
    });
    None
}

/// The field that this variant requires and no other variant has.
fn distinct<'n>(variant: &'n Object, node: &Node) -> Option<&'n str> {
    let elsewhere = |name: &str| node.objects.iter().filter(|other| other.field(name).is_some()).count() > 1;
    variant.fields.iter().find(|field| field.required && !elsewhere(&field.name)).map(|field| field.name.as_str())
}
