//! The form in which specs are kept: JSON with a version.
//!
//! A field that this program does not know is left out in reading, for a newer program may have
//! added it without a new version. A change that an older program must not pass over raises
//! [`VERSION`].

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::JobSpec;
use crate::reader;
use crate::spec_error::SpecError;

/// Of what this program writes, and the newest it reads. Rows without a version are of version 1.
pub const VERSION: u64 = 2;

#[derive(Serialize)]
struct Stored<'s> {
    version: u64,
    #[serde(flatten)]
    spec: &'s JobSpec,
}

impl JobSpec {
    /// As it is stored.
    pub fn write(&self) -> Result<String, SpecError> {
        let stored = Stored { version: VERSION, spec: self };
        serde_json::to_string(&stored).map_err(|error| SpecError::Damaged(error.to_string()))
    }

    /// Reads what [`Self::write`] wrote, and what earlier versions did.
    pub fn read(text: &str) -> Result<Self, SpecError> {
        let damaged = |detail: String| SpecError::Damaged(detail);
        let mut value: Value = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let fields = value.as_object_mut().ok_or_else(|| damaged("expected an object".to_owned()))?;
        match fields.remove("version").map(|version| version.as_u64()) {
            None | Some(Some(1..=VERSION)) => {}
            Some(Some(found)) if found > VERSION => return Err(SpecError::Newer { found, newest: VERSION }),
            Some(_) => return Err(damaged("`version` is no version".to_owned())),
        }
        let kind = match fields.remove("kind") {
            Some(Value::String(kind)) => kind,
            // Before there were other kinds, none was written.
            None => "train".to_owned(),
            Some(_) => return Err(damaged("`kind` is no text".to_owned())),
        };
        match kind.as_str() {
            "train" => tolerant(&value).map(Self::Train),
            "compare" => tolerant(&value).map(Self::Compare),
            "search" => tolerant(&value).map(Self::Search),
            "finetune" => tolerant(&value).map(Self::Finetune),
            "backtest" => tolerant(&value).map(Self::Backtest),
            other => Err(damaged(format!("`{other}` is not a kind of job that this program knows"))),
        }
    }
}

fn tolerant<T: DeserializeOwned>(value: &Value) -> Result<T, SpecError> {
    reader::read_stored(value).map_err(|misfit| SpecError::Damaged(misfit.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order() -> Value {
        json!({"dataset": "01920000-0000-7000-8000-000000000000",
               "data": {"split": {"by": "time", "training": {"to": "2024-01-31"}}},
               "model": {"layers": [4, {"units": 8}], "kernel_initializer": {"type": "constant", "value": 0.5}},
               "training": {"optimizer": {"type": "sgd"}, "seed": u64::MAX}})
    }

    fn read(value: &Value) -> Result<JobSpec, SpecError> {
        JobSpec::read(&value.to_string())
    }

    #[test]
    fn what_is_written_is_read_back_and_says_its_version() {
        let spec = read(&order()).unwrap();
        let written = spec.write().unwrap();
        assert!(written.starts_with(r#"{"version":2,"kind":"train","dataset":"#), "{written}");
        assert_eq!(JobSpec::read(&written), Ok(spec));
    }

    #[test]
    fn unknown_fields_are_left_out_wherever_they_are() {
        let expected = read(&order());
        for at in [
            "",
            "/data",
            "/data/split",
            "/data/split/training",
            "/model/layers/1",
            "/model/kernel_initializer",
            "/training",
            "/training/optimizer",
        ] {
            let mut value = order();
            let object = value.pointer_mut(at).and_then(Value::as_object_mut).unwrap();
            object.insert("added".to_owned(), json!({"later": [1]}));
            // A known field elsewhere is named alike: it must stay.
            object.insert("to".to_owned(), json!("2024-01-31"));
            assert_eq!(read(&value), expected, "{at}");
        }
    }

    #[test]
    fn a_newer_version_and_damage_are_told_apart() {
        let mut newer = order();
        newer["version"] = json!(3);
        assert_eq!(read(&newer), Err(SpecError::Newer { found: 3, newest: 2 }));
        let damage = |text: &str| match JobSpec::read(text) {
            Err(SpecError::Damaged(detail)) => detail,
            other => panic!("{other:?}"),
        };
        assert!(damage("{\"kind\":").contains("EOF"));
        assert!(damage("[]").contains("an object"));
        assert!(damage(r#"{"kind": "dream"}"#).contains("`dream`"));
        let mut value = order();
        value["training"]["epochs"] = json!("ten");
        assert_eq!(
            damage(&value.to_string()),
            "/training/epochs: expected a whole number from 0 to 4294967295, found the text \"ten\""
        );
    }
}
