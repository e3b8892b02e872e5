//! Walks a JSON document alongside its schema, without building values.
//!
//! Two rules apply under any schema: a depth limit, and no duplicate keys in an object (serde would keep the last
//! value). A violation of these ends the walk. Any other error is reported, and the walk continues.

use std::fmt;

use super::build::{Build, Keys, deeper};
use super::node::{ANY_OBJECT, ANYTHING, Node, Object};
use super::report::{Report, shown};
use super::variant::choose;
use super::{number, text};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The walk of one value, to be checked against `node`.
pub(super) struct Walk<'w, 'n> {
    node: &'n Node,
    report: &'w mut Report<'n>,
    depth: usize,
}

impl<'w, 'n> Walk<'w, 'n> {
    pub(super) fn new(node: &'n Node, report: &'w mut Report<'n>) -> Self {
        Self { node, report, depth: 0 }
    }

    /// Creates the walk of a value one level down.
    fn within<E: Error>(&mut self, node: &'n Node) -> Result<Walk<'_, 'n>, E> {
        let depth = deeper(self.depth)?;
        Ok(Walk { node, report: self.report, depth })
    }

    /// Reports a value whose type is not `allowed`.
    fn check(&mut self, allowed: bool, found: impl FnOnce() -> String) {
        if !allowed && !self.node.anything {
            self.report.mismatch(self.node, &found());
        }
    }

    fn number(mut self, found: number::Found) {
        match &self.node.number {
            Some(rule) if !rule.whole || found.is_whole() => {
                if let Some(fault) = found.fault(rule, self.node.hint.as_deref()) {
                    self.report.add(fault);
                }
            }
            _ => self.check(false, || format!("the number {found}")),
        }
    }

    /// Checks an object against one variant.
    fn object<'de, A: MapAccess<'de>>(mut self, object: &'n Object, mut fields: A) -> Result<(), A::Error> {
        let mut seen = Keys::default();
        while let Some(key) = fields.next_key::<String>()? {
            let node = object.field(&key).map(|field| &*field.node).or(object.others());
            if node.is_none() {
                self.report.unknown_field(&key, object);
            }
            self.report.enter(&key);
            fields.next_value_seed(self.within(node.unwrap_or(&ANYTHING))?)?;
            self.report.leave();
            seen.add(key)?;
        }
        for field in object.fields.iter().filter(|field| field.required && !seen.has(&field.name)) {
            self.report.missing_field(&field.name, object);
        }
        Ok(())
    }

    /// Reads a whole object, selects its variant, and checks the object against that.
    fn variant<'de, A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        let whole = Build::new(self.depth).visit_map(fields)?;
        match choose(self.node, &whole, self.report) {
            Some(object) => whole.deserialize_any(Chosen { walk: self, object }).map_err(A::Error::custom),
            None => Ok(()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.check(self.node.null, || "null".to_owned());
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, found: bool) -> Result<(), E> {
        self.check(self.node.boolean, || found.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, found: u64) -> Result<(), E> {
        self.number(number::Found::Whole(found.into()));
        Ok(())
    }

    fn visit_i64<E: Error>(self, found: i64) -> Result<(), E> {
        self.number(number::Found::Whole(found.into()));
        Ok(())
    }

    fn visit_f64<E: Error>(self, found: f64) -> Result<(), E> {
        self.number(number::Found::Fraction(found));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, found: &str) -> Result<(), E> {
        match &self.node.text {
            None => self.check(false, || format!("the string {}", shown(found))),
            Some(rule) => {
                if let Some(fault) = text::fault(rule, found) {
                    self.report.add(fault);
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let list = self.node.list.as_ref();
        if list.is_none() && !self.node.anything {
            self.report.mismatch(self.node, "an array");
        }
        let node = list.map_or(&ANYTHING, |list| &list.items);
        let mut length = 0;
        loop {
            self.report.enter_item(length);
            let item = items.next_element_seed(self.within(node)?)?;
            self.report.leave();
            if item.is_none() {
                break;
            }
            length += 1;
        }
        if let Some(fault) = list.and_then(|list| list.fault(length)) {
            self.report.add(fault);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        match self.node.objects.as_slice() {
            [] => {
                if !self.node.anything {
                    self.report.mismatch(self.node, "an object");
                }
                self.object(&ANY_OBJECT, fields)
            }
            [only] => self.object(only, fields),
            _ => self.variant(fields),
        }
    }
}

/// Visits the fields of an object whose variant has been selected.
struct Chosen<'w, 'n> {
    walk: Walk<'w, 'n>,
    object: &'n Object,
}

impl<'de> Visitor<'de> for Chosen<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        self.walk.object(self.object, fields)
    }
}
