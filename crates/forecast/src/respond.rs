//! Processes a whole request: reads series, computes forecasts and writes them, in batches.

use std::collections::{BTreeMap, BTreeSet};

use gatecast_core::forecast::{CovariateValue, Forecast, History, MAX_SERIES, SeriesError};
use gatecast_core::ids::ModelId;
use gatecast_data::{Located, StoredDataset};
use serde::Serialize;

use super::dataset_input::{DatasetReader, SeriesToRead};
use super::error::ForecastError;
use super::fault::{FaultList, SeriesFault, quoted};
use super::input_spec::InputSpec;
use super::limits::{BATCH_NUMBERS, SeriesCost};
use super::model::LocalModel;
use super::predict::Predictor;
use super::request::StoredSeries;
use super::response::ForecastOptions;
use super::series_input::SeriesInput;
use super::warnings::Warnings;

/// Stored series with the result of reading each.
type ReadBatch<'f> = Vec<(Found<'f>, ReadSeries)>;

/// The source of the values of a request's series.
#[derive(Debug)]
pub enum ForecastInput {
    /// The values are in the request.
    Given(Vec<History>),
    Stored {
        dataset: Box<StoredDataset>,
        series: StoredSeries,
    },
}

/// Computes the response to a request, as JSON ([`gatecast_core::forecast::ForecastResponse`]).
///
/// `is_cancelled` is called between series and between passes of the network.
pub(super) fn respond(
    model: &LocalModel,
    id: ModelId,
    options: &ForecastOptions,
    input: ForecastInput,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Vec<u8>, ForecastError> {
    let spec = InputSpec::of(model.manifest(), options.horizon);
    let predictor = Predictor::new(model, &spec, options, is_cancelled)?;
    let mut writer = Writer::new(id)?;
    let mut request =
        Request { model, spec: &spec, options, predictor, warnings: Warnings::of(&model.bundle.manifest) };
    let errors = match input {
        ForecastInput::Given(series) => request.given(series, &mut writer).map(|()| Vec::new())?,
        ForecastInput::Stored { dataset, series } => {
            let reader = DatasetReader::open(&spec, &dataset, is_cancelled)?;
            match series {
                StoredSeries::Listed(listed) => {
                    request.listed(&dataset, &reader, &listed, &mut writer).map(|()| Vec::new())?
                }
                StoredSeries::All => request.all(&dataset, &reader, &mut writer)?,
            }
        }
    };
    writer.finish(&errors, &request.warnings.finish())
}

struct Request<'r> {
    model: &'r LocalModel,
    spec: &'r InputSpec<'r>,
    options: &'r ForecastOptions,
    predictor: Predictor<'r>,
    warnings: Warnings,
}

impl Request<'_> {
    /// Forecasts series whose values are in the request.
    fn given(&mut self, series: Vec<History>, writer: &mut Writer) -> Result<(), ForecastError> {
        let longest = series.iter().filter_map(|series| series.id.as_deref()).map(json_bytes).max();
        // The values have been read with the body, which has its own limit.
        self.check_size(series.len(), longest, 0)?;
        let inputs = super::request_input::read(self.spec, series)?;
        for batch in inputs.chunks(self.predictor.batch_series()) {
            self.forecast(batch, writer)?;
        }
        Ok(())
    }

    /// Forecasts the stored series that the request names. If any of them cannot be forecast, the request fails.
    fn listed(
        &mut self,
        dataset: &StoredDataset,
        reader: &DatasetReader<'_>,
        listed: &[History],
        writer: &mut Writer,
    ) -> Result<(), ForecastError> {
        let longest = listed.iter().filter_map(|series| series.id.as_deref()).map(json_bytes).max();
        self.check_size(listed.len(), longest, self.spec.numbers())?;
        let mut faults = FaultList::default();
        let mut seen = BTreeSet::new();
        let mut found = Vec::with_capacity(listed.len());
        for (at, series) in listed.iter().enumerate() {
            let key = series.id.as_deref().unwrap_or_default();
            let fault = match dataset.index().position(key) {
                None => format!("the dataset has no series {}", quoted(key)),
                Some(_) if !seen.insert(key) => format!("duplicate series: {}", quoted(key)),
                Some(position) => {
                    found.push(Found { at, position, future: &series.future });
                    continue;
                }
            };
            faults.push(&format!("/series/{at}"), SeriesFault::new("", "no_such_series", fault));
        }
        self.stored(dataset, reader, &found, &mut |request, read| {
            let mut batch = Vec::with_capacity(read.len());
            for (found, read) in read {
                match read {
                    Ok(input) => batch.push(input),
                    Err(wrong) => {
                        let pointer = format!("/series/{}", found.at);
                        wrong.into_iter().for_each(|fault| faults.push(&pointer, fault));
                    }
                }
            }
            // After the first fault, series are read only to find other faults.
            if faults.is_empty() { request.forecast(&batch, writer) } else { Ok(()) }
        })?;
        faults.into_result()
    }

    /// Forecasts every series of the dataset. Those that cannot be forecast are listed beside the forecasts.
    fn all(
        &mut self,
        dataset: &StoredDataset,
        reader: &DatasetReader<'_>,
        writer: &mut Writer,
    ) -> Result<Vec<SeriesError>, ForecastError> {
        let count = dataset.index().len();
        if count > MAX_SERIES {
            let detail = format!(
                "the dataset has {count} series; at most {MAX_SERIES} fit into a request: list the series, and split them over several requests"
            );
            return Err(ForecastError::field("/series", detail));
        }
        let mut longest = 0;
        for series in dataset.index().iter() {
            longest = longest.max(json_bytes(&series?.summary.key));
        }
        self.check_size(count, Some(longest), self.spec.numbers())?;
        let nothing = BTreeMap::new();
        let found: Vec<Found<'_>> =
            (0..count).map(|position| Found { at: position, position, future: &nothing }).collect();
        let (mut errors, mut faults, mut forecast) = (Vec::new(), FaultList::default(), 0);
        self.stored(dataset, reader, &found, &mut |request, read| {
            let mut batch = Vec::with_capacity(read.len());
            for (found, read) in read {
                match read {
                    Ok(input) => batch.push(input),
                    Err(wrong) => {
                        let Some(fault) = wrong.into_iter().next() else { continue };
                        faults.push("/series", SeriesFault { field: String::new(), ..fault.clone() });
                        errors.push(fault.of_series(dataset.index().series(found.position)?.summary.key));
                    }
                }
            }
            forecast += batch.len();
            request.forecast(&batch, writer)
        })?;
        match forecast {
            0 => faults.into_result().map(|()| errors),
            _ => Ok(errors),
        }
    }

    /// Reads stored series in batches and passes each batch to `take`.
    fn stored<'f>(
        &mut self,
        dataset: &StoredDataset,
        reader: &DatasetReader<'_>,
        found: &[Found<'f>],
        take: &mut dyn FnMut(&mut Self, ReadBatch<'f>) -> Result<(), ForecastError>,
    ) -> Result<(), ForecastError> {
        let most = self.predictor.batch_series();
        let mut rest = found.iter().peekable();
        while rest.peek().is_some() {
            let (mut batch, mut chosen, mut numbers) = (Vec::with_capacity(most), Vec::with_capacity(most), 0);
            while let Some(next) = rest.peek() {
                let located: Located = dataset.index().series(next.position)?;
                numbers += reader.numbers(reader.rows(&located));
                if batch.len() == most || (!batch.is_empty() && numbers > BATCH_NUMBERS as u64) {
                    break;
                }
                chosen.push(**next);
                batch.push(SeriesToRead { located, future: next.future });
                rest.next();
            }
            self.predictor.check_cancelled()?;
            let read = reader.read(&batch)?;
            take(self, chosen.into_iter().zip(read).collect())?;
        }
        Ok(())
    }

    fn forecast(&mut self, batch: &[SeriesInput], writer: &mut Writer) -> Result<(), ForecastError> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.iter().for_each(|series| self.warnings.add(series, &self.model.bundle.scaler));
        let forecasts = self.predictor.forecast(batch)?;
        forecasts.iter().try_for_each(|forecast| writer.forecast(forecast))
    }

    /// Rejects more series than one request may have. `longest` is the length of the longest id as JSON.
    fn check_size(&self, series: usize, longest: Option<usize>, input_numbers: usize) -> Result<(), ForecastError> {
        let id = longest.unwrap_or("null".len());
        let of_target = |name: &String| self.options.max_bytes(&self.model.criterion, id + json_bytes(name));
        let response_bytes = self.spec.manifest.targets.iter().map(of_target).fold(0, usize::saturating_add);
        SeriesCost { input_numbers, response_bytes }.check(series)
    }
}

/// A series found in the index.
#[derive(Debug, Clone, Copy)]
struct Found<'f> {
    /// The index of its entry in the request.
    at: usize,
    position: usize,
    future: &'f BTreeMap<String, Vec<CovariateValue>>,
}

type ReadSeries = Result<SeriesInput, Vec<SeriesFault>>;

/// The length of a text as JSON.
fn json_bytes(text: &str) -> usize {
    let byte = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(byte).sum::<usize>() + 2
}

/// Writes a response in pieces, so that the forecasts of a request are never all in memory.
struct Writer {
    json: Vec<u8>,
    is_first: bool,
}

impl Writer {
    fn new(model: ModelId) -> Result<Self, ForecastError> {
        let mut writer = Self { json: b"{\"model\":".to_vec(), is_first: true };
        writer.value(&model)?;
        writer.json.extend(b",\"forecasts\":[");
        Ok(writer)
    }

    fn forecast(&mut self, forecast: &Forecast) -> Result<(), ForecastError> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.json.push(b',');
        }
        self.value(forecast)
    }

    fn finish<T: Serialize>(mut self, errors: &[SeriesError], warnings: &[T]) -> Result<Vec<u8>, ForecastError> {
        self.json.push(b']');
        if !errors.is_empty() {
            self.json.extend(b",\"errors\":");
            self.value(errors)?;
        }
        if !warnings.is_empty() {
            self.json.extend(b",\"warnings\":");
            self.value(warnings)?;
        }
        self.json.push(b'}');
        Ok(self.json)
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ForecastError> {
        serde_json::to_writer(&mut self.json, value).map_err(ForecastError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::dataset::Warning;
    use gatecast_core::forecast::ForecastResponse;

    #[test]
    fn the_pieces_make_up_a_response() {
        let response = ForecastResponse {
            model: ModelId::new(),
            forecasts: ["a", "b"]
                .map(|series| Forecast {
                    series: Some(series.to_owned()),
                    target: "sales".to_owned(),
                    timestamps: None,
                    mean: vec![1.0, 2.5],
                    intervals: Vec::new(),
                    quantiles: Vec::new(),
                })
                .to_vec(),
            errors: vec![SeriesError { series: "c".into(), code: "series_too_short".into(), detail: "short".into() }],
            warnings: vec![Warning { code: "series_end_early".into(), detail: "early".into() }],
        };
        let bare =
            ForecastResponse { forecasts: Vec::new(), errors: Vec::new(), warnings: Vec::new(), ..response.clone() };
        for response in [response, bare] {
            let mut writer = Writer::new(response.model).unwrap();
            response.forecasts.iter().for_each(|forecast| writer.forecast(forecast).unwrap());
            let json = writer.finish(&response.errors, &response.warnings).unwrap();
            assert_eq!(json, serde_json::to_vec(&response).unwrap());
        }
    }

    #[test]
    fn json_bytes_is_the_length_of_the_json_string() {
        let text: String = (0..300_u32).filter_map(char::from_u32).collect();
        assert_eq!(json_bytes(&text), serde_json::to_string(&text).unwrap().len());
    }
}
