//! Rules for strings, and the formats that schemas refer to.

use jiff::Timestamp;
use jiff::civil::Date;

use super::node::Text;
use super::report::shown;
use super::suggest;
use crate::alias::{AliasName, ModelRef};
use crate::frequency::Frequency;
use crate::ids::DatasetId;
use crate::metric_name::MetricName;
use crate::order::Device;

/// Describes the rule that a string violates.
pub(super) fn fault(rule: &Text, found: &str) -> Option<String> {
    if !rule.words.is_empty() {
        let known = rule.words.iter().any(|word| word == found);
        let close = || suggest::nearest(found, rule.words.iter().map(String::as_str));
        return (!known).then(|| format!("expected {}, found {}{}", rule.expected(), shown(found), close()));
    }
    let length = found.chars().count();
    if length < rule.min {
        return Some(match rule.min {
            1 => "must not be empty".to_owned(),
            least => format!("must have at least {least} characters, found {length}"),
        });
    }
    if let Some(most) = rule.max.filter(|&most| length > most) {
        return Some(format!("must have at most {most} characters, found {length}"));
    }
    let format = rule.format.as_deref()?;
    misfit(format, found).map(|fault| format!("{} {fault}", shown(found)))
}

/// Returns why a string does not have a format. Unknown formats are not checked.
fn misfit(format: &str, text: &str) -> Option<String> {
    match format {
        "uuid" => error(text.parse::<DatasetId>()),
        "alias" => error(text.parse::<AliasName>()),
        "model-reference" => error(text.parse::<ModelRef>()),
        "metric" => error(text.parse::<MetricName>()),
        "duration" => error(text.parse::<Frequency>()),
        "device" => error(Device::try_from(text.to_owned())),
        "date-or-time" => {
            let fits = text.parse::<Timestamp>().is_ok() || text.parse::<Date>().is_ok();
            (!fits).then(|| "is not a date such as 2019-01-31, or an RFC 3339 time".to_owned())
        }
        "name" => text.chars().any(char::is_control).then(|| "must not contain control characters".to_owned()),
        _ => None,
    }
}

fn error<T, E: ToString>(parsed: Result<T, E>) -> Option<String> {
    parsed.err().map(|error| error.to_string())
}
