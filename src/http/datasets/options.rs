//! The options of an upload, from the query string or a form.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::config::Limits;
use crate::http::extract::shown;
use crate::http::params;
use crate::http::problem::{Code, Problem};
use gatecast_core::dataset::{DuplicatePolicy, Format, Layout};
use gatecast_core::frequency::Frequency;
use gatecast_data::{DateOrder, Decimal, Delimiter, Header, TimeFormat, UploadLimits, UploadOptions};

const MAX_NAME: usize = 200;
const MAX_SEASON: usize = 100_000;

/// The options as sent.
#[derive(Debug, Default)]
pub(in crate::http) struct Options {
    sent: Vec<(String, String)>,
}

/// How to read the upload. Omitted options are detected from the data.
#[derive(Debug, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Known {
    /// The dataset's name. Default: the file's name.
    #[param(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    #[schema(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    #[param(inline)]
    format: Option<Format>,
    #[param(inline)]
    layout: Option<Layout>,
    /// The column with the times.
    time_column: Option<String>,
    /// The column with the series ids.
    series_column: Option<String>,
    #[param(inline)]
    time_format: Option<TimeFormat>,
    /// How to read dates such as 01/02/2001.
    #[param(inline)]
    date_order: Option<DateOrder>,
    /// CSV only: whether the first row contains the column names. Otherwise the columns are named V1, V2, …
    #[param(inline)]
    header: Option<Header>,
    /// CSV only.
    #[param(inline)]
    delimiter: Option<Delimiter>,
    /// The decimal separator of numbers.
    #[param(inline)]
    decimal: Option<Decimal>,
    /// How to handle rows that give different values for the same series and time.
    #[param(inline)]
    duplicates: Option<DuplicatePolicy>,
    /// The frequency of all series. Times that contradict it are refused. Data without times uses it for its season.
    #[param(inline)]
    frequency: Option<Frequency>,
    /// The season in points, or several in ascending order, the main one first: `24,168`. `1` means no season. Default:
    /// detected from the frequency or from the values.
    #[param(pattern = r"^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5}){0,3}$")]
    #[schema(pattern = r"^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5}){0,3}$")]
    season: Option<String>,
}

/// An upload as a form: options first, the file last.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form for the OpenAPI document")]
pub(in crate::http) struct Form {
    #[schema(inline)]
    #[serde(flatten)]
    options: Known,
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

impl IntoParams for Options {
    fn into_params(
        within: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        Known::into_params(within)
    }
}

impl Options {
    pub(super) fn with_all(mut self, sent: Vec<(String, String)>) -> Self {
        self.sent.extend(sent);
        self
    }

    pub(super) fn with(mut self, name: String, value: String) -> Self {
        self.sent.push((name, value));
        self
    }

    /// The dataset's name, and how to read it.
    pub(super) fn settle(self, file_name: Option<&str>, limits: &Limits) -> Result<(String, UploadOptions), Problem> {
        let known: Known = params::read(self.sent).map_err(|errors| {
            let told = errors.iter().map(|error| format!("`{}`: {}", shown(&error.name), error.detail));
            let told: Vec<String> = told.collect();
            let options = if told.len() == 1 { "option" } else { "options" };
            Problem::new(Code::InvalidOption, format!("{options} {}", told.join("; ")))
        })?;
        let name = known.name.or_else(|| file_name.and_then(readable)).unwrap_or_else(|| "unnamed".to_owned());
        let options = UploadOptions {
            format: known.format,
            layout: known.layout,
            time_column: known.time_column,
            series_column: known.series_column,
            time_format: known.time_format,
            date_order: known.date_order,
            header: known.header,
            delimiter: known.delimiter,
            decimal: known.decimal.unwrap_or_default(),
            duplicates: known.duplicates.unwrap_or_default(),
            frequency: known.frequency,
            seasons: known.season.map_or(Ok(Vec::new()), |text| seasons(&text))?,
            limits: UploadLimits {
                bytes: limits.unpacked.0,
                series: usize::try_from(limits.series).unwrap_or(usize::MAX),
                ..UploadLimits::default()
            },
        };
        Ok((name, options))
    }
}

/// Seasons such as `24` or `24,168`.
fn seasons(text: &str) -> Result<Vec<usize>, Problem> {
    let read: Option<Vec<usize>> = text.split(',').map(|season| season.parse().ok()).collect();
    let is_valid = |seasons: &Vec<usize>| {
        seasons.iter().all(|season| (1..=MAX_SEASON).contains(season))
            && seasons.is_sorted_by(|a, b| a < b)
            && (seasons.len() == 1 || !seasons.contains(&1))
    };
    read.filter(is_valid).ok_or_else(|| {
        let detail = format!(
            "option `season`: expected a whole number from 1 to {MAX_SEASON}, or several from 2 on in ascending order, such as \
             `24,168`"
        );
        Problem::new(Code::InvalidOption, detail)
    })
}

/// The last component of a file name. It is only displayed, and never used in a path.
fn readable(file_name: &str) -> Option<String> {
    let last = file_name.rsplit(['/', '\\']).next()?;
    let name: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    (!name.trim_matches(['.', ' ']).is_empty()).then_some(name)
}
