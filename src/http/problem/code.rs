//! Every problem code with its status and its meaning: the table in `docs/api.md`.

use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $status:ident $variant:ident $name:literal;)+) => {
        /// The code of a problem, for programs. Names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(in crate::http) enum Code {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Code {
            /// All codes, by status.
            pub(in crate::http) const ALL: &[Self] = &[$(Self::$variant),+];

            pub(in crate::http) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            pub(in crate::http) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)+
                }
            }

            /// A sentence for the table.
            #[cfg(test)]
            const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+),)+
                }
            }
        }
    };
}

codes! {
    /// The body is not JSON, is nested too deeply or repeats a key. The detail has line and column.
    BAD_REQUEST InvalidJson "invalid_json";
    /// The id in the address is not a UUID.
    BAD_REQUEST InvalidId "invalid_id";
    /// The name in the address cannot be an alias.
    BAD_REQUEST InvalidAlias "invalid_alias";
    /// A query parameter or header cannot be read.
    BAD_REQUEST InvalidQuery "invalid_query";
    /// `after` is not a cursor of this list.
    BAD_REQUEST InvalidCursor "invalid_cursor";
    /// An upload option is unknown, repeated or malformed.
    BAD_REQUEST InvalidOption "invalid_option";
    /// The upload form is malformed, or its `file` part is missing or not the last.
    BAD_REQUEST InvalidForm "invalid_form";
    /// The body ended before its announced length.
    BAD_REQUEST BodyCutOff "body_cut_off";
    /// The address cannot be read.
    BAD_REQUEST BadRequest "bad_request";
    /// A page of another site tried to change something.
    FORBIDDEN ForeignOrigin "foreign_origin";
    /// Nothing has this id or address.
    NOT_FOUND NotFound "not_found";
    /// The address does not support the method. `Allow` lists those it does.
    METHOD_NOT_ALLOWED MethodNotAllowed "method_not_allowed";
    /// The client sent less than 16 KiB within the body time.
    REQUEST_TIMEOUT BodyTooSlow "body_too_slow";
    /// A queued or running job needs the dataset.
    CONFLICT DatasetInUse "dataset_in_use";
    /// The job's dataset was deleted, so the job cannot be tried again.
    CONFLICT DatasetDeleted "dataset_deleted";
    /// The job has already ended, so it cannot be cancelled.
    CONFLICT JobEnded "job_ended";
    /// The job has not ended, so it cannot be deleted.
    CONFLICT JobNotEnded "job_not_ended";
    /// The job belongs to one that has not ended.
    CONFLICT JobInUse "job_in_use";
    /// Only failed and cancelled jobs can be tried again.
    CONFLICT JobNotFailed "job_not_failed";
    /// Another version of the program wrote the job's order and this one cannot read it, so the job cannot be tried again.
    CONFLICT OrderUnreadable "order_unreadable";
    /// The job's children are incomplete, so it cannot be tried again.
    CONFLICT JobIncomplete "job_incomplete";
    /// The body is longer than the limit in `/v1/system`.
    PAYLOAD_TOO_LARGE BodyTooLarge "body_too_large";
    /// Upload: the unpacked data is larger than the limit in `/v1/system`.
    PAYLOAD_TOO_LARGE UploadTooLarge "upload_too_large";
    /// Upload: the data unpacks to too many times its size.
    PAYLOAD_TOO_LARGE CompressionRatio "compression_ratio";
    /// Upload: more columns than allowed.
    PAYLOAD_TOO_LARGE TooManyColumns "too_many_columns";
    /// Upload: more rows than allowed.
    PAYLOAD_TOO_LARGE TooManyRows "too_many_rows";
    /// Upload: more points than allowed.
    PAYLOAD_TOO_LARGE TooManyPoints "too_many_points";
    /// Upload: more series than the limit in `/v1/system`.
    PAYLOAD_TOO_LARGE TooManySeries "too_many_series";
    /// The `Content-Type` is not one that the address takes.
    UNSUPPORTED_MEDIA_TYPE UnsupportedMediaType "unsupported_media_type";
    /// The `Content-Encoding` is not one that the address takes.
    UNSUPPORTED_MEDIA_TYPE UnsupportedEncoding "unsupported_encoding";
    /// The `Host` header has a name that the server does not know. Use localhost or an address, or set the name with `--host`.
    MISDIRECTED_REQUEST ForeignHost "foreign_host";
    /// Fields of the body are wrong. `errors` lists them.
    UNPROCESSABLE_ENTITY InvalidBody "invalid_body";
    /// The dataset has no column of this name.
    UNPROCESSABLE_ENTITY UnknownColumn "unknown_column";
    /// The values asked for are more than one answer takes. Ask for fewer points or columns.
    UNPROCESSABLE_ENTITY TooManyValues "too_many_values";
    /// The network gave no finite number for this history.
    UNPROCESSABLE_ENTITY ForecastNotFinite "forecast_not_finite";
    /// Upload: the data is refused for a reason that has no code of its own.
    UNPROCESSABLE_ENTITY InvalidUpload "invalid_upload";
    /// Upload: rows are wrong. `rows` lists the first ones.
    UNPROCESSABLE_ENTITY InvalidRows "invalid_rows";
    /// Upload: dates such as 01/02/2001 can be read in two ways. Say which with `date_order`.
    UNPROCESSABLE_ENTITY AmbiguousDates "ambiguous_dates";
    /// Upload: the first row may be a header or a series. Say which with `header`.
    UNPROCESSABLE_ENTITY AmbiguousHeader "ambiguous_header";
    /// Upload: a column name is too long.
    UNPROCESSABLE_ENTITY ColumnNameTooLong "column_name_too_long";
    /// Upload: rows give one series and time different values. Say what to do with `duplicates`.
    UNPROCESSABLE_ENTITY ContradictingDuplicates "contradicting_duplicates";
    /// Upload: the compressed data is damaged.
    UNPROCESSABLE_ENTITY CorruptCompression "corrupt_compression";
    /// Upload: numbers have a decimal comma. Say so with `decimal=comma`.
    UNPROCESSABLE_ENTITY DecimalComma "decimal_comma";
    /// Upload: two columns have one name.
    UNPROCESSABLE_ENTITY DuplicateColumn "duplicate_column";
    /// Upload: a JSON row gives one field twice.
    UNPROCESSABLE_ENTITY DuplicateField "duplicate_field";
    /// Upload: a column has no name.
    UNPROCESSABLE_ENTITY EmptyColumnName "empty_column_name";
    /// Upload: a series has no name.
    UNPROCESSABLE_ENTITY EmptySeriesId "empty_series_id";
    /// Upload: there is no data.
    UNPROCESSABLE_ENTITY EmptyUpload "empty_upload";
    /// Upload: a line is not CSV.
    UNPROCESSABLE_ENTITY InvalidCsv "invalid_csv";
    /// Upload: a row is not JSON.
    UNPROCESSABLE_ENTITY InvalidJsonRows "invalid_json";
    /// Upload: the Parquet file is damaged or uses an unsupported feature.
    UNPROCESSABLE_ENTITY InvalidParquet "invalid_parquet";
    /// Upload: the times do not fit the `frequency` given.
    UNPROCESSABLE_ENTITY FrequencyContradictsTimes "frequency_contradicts_times";
    /// Upload: a line of the .tsf file cannot be read.
    UNPROCESSABLE_ENTITY InvalidTsf "invalid_tsf";
    /// Upload: a text is not UTF-8.
    UNPROCESSABLE_ENTITY InvalidUtf8 "invalid_utf8";
    /// Upload: a line is too long.
    UNPROCESSABLE_ENTITY LineTooLong "line_too_long";
    /// Upload: a Parquet column is nested.
    UNPROCESSABLE_ENTITY NestedColumn "nested_column";
    /// Upload: a compressed file is compressed again.
    UNPROCESSABLE_ENTITY NestedCompression "nested_compression";
    /// Upload: a JSON value is an array or an object.
    UNPROCESSABLE_ENTITY NestedValue "nested_value";
    /// Upload: the first line has no column names. If it is data, say so with `header=no`.
    UNPROCESSABLE_ENTITY NoHeader "no_header";
    /// Upload: no column beside times and series ids holds numbers.
    UNPROCESSABLE_ENTITY NoNumberColumn "no_number_column";
    /// Upload: there are column names but no rows.
    UNPROCESSABLE_ENTITY NoRows "no_rows";
    /// Upload: an option names a column that the data does not have.
    UNPROCESSABLE_ENTITY NoSuchColumn "no_such_column";
    /// Upload: the layout needs a time column, and none was found.
    UNPROCESSABLE_ENTITY NoTimeColumn "no_time_column";
    /// Upload: no cell holds a value.
    UNPROCESSABLE_ENTITY NoValues "no_values";
    /// Upload: the data is binary, not text.
    UNPROCESSABLE_ENTITY NotText "not_text";
    /// Upload: a text contains a NUL character.
    UNPROCESSABLE_ENTITY NulCharacter "nul_character";
    /// Upload: `time_column` and `series_column` name one column.
    UNPROCESSABLE_ENTITY OneColumnTwoRoles "one_column_two_roles";
    /// Upload: a series has a name that is too long.
    UNPROCESSABLE_ENTITY SeriesIdTooLong "series_id_too_long";
    /// Upload: a column counts steps, and far more of them are missing than there are rows.
    UNPROCESSABLE_ENTITY TooManyMissingSteps "too_many_missing_steps";
    /// Upload: a quote is never closed.
    UNPROCESSABLE_ENTITY UnclosedQuote "unclosed_quote";
    /// Upload: a JSON row has a field that the first rows do not have.
    UNPROCESSABLE_ENTITY UnknownField "unknown_field";
    /// Upload: the time column cannot be read as times.
    UNPROCESSABLE_ENTITY UnrecognisedTimes "unrecognised_times";
    /// Upload: the text is UTF-16. Save it as UTF-8.
    UNPROCESSABLE_ENTITY Utf16 "utf16";
    /// Upload: the data is not compressed as `Content-Encoding` says.
    UNPROCESSABLE_ENTITY WrongEncoding "wrong_encoding";
    /// Upload: the data is not in the format that `format` or `Content-Type` says.
    UNPROCESSABLE_ENTITY WrongFormat "wrong_format";
    /// Bundle: the file is not a safetensors file.
    UNPROCESSABLE_ENTITY NotSafetensors "not_safetensors";
    /// Bundle: the file is shorter than its header says.
    UNPROCESSABLE_ENTITY BundleTruncated "bundle_truncated";
    /// Bundle: the header cannot be read.
    UNPROCESSABLE_ENTITY InvalidHeader "invalid_header";
    /// Bundle: the tensors overlap or leave gaps.
    UNPROCESSABLE_ENTITY InvalidOffsets "invalid_offsets";
    /// Bundle: a newer version of the program wrote it.
    UNPROCESSABLE_ENTITY NewerFormat "newer_format";
    /// Bundle: the manifest is missing or contradicts itself.
    UNPROCESSABLE_ENTITY InvalidManifest "invalid_manifest";
    /// Bundle: a tensor that the manifest calls for is missing.
    UNPROCESSABLE_ENTITY MissingTensor "missing_tensor";
    /// Bundle: a tensor is not part of the network.
    UNPROCESSABLE_ENTITY UnknownTensor "unknown_tensor";
    /// Bundle: a tensor has the wrong number type.
    UNPROCESSABLE_ENTITY WrongDtype "wrong_dtype";
    /// Bundle: a tensor has the wrong shape.
    UNPROCESSABLE_ENTITY WrongShape "wrong_shape";
    /// Bundle: a weight is not a finite number.
    UNPROCESSABLE_ENTITY NotFinite "not_finite";
    /// Bundle: the scaling's numbers do not fit the manifest.
    UNPROCESSABLE_ENTITY InvalidScaling "invalid_scaling";
    /// Bundle: the contents do not match the hash in the file.
    UNPROCESSABLE_ENTITY DigestMismatch "digest_mismatch";
    /// As many uploads are running as the server allows. Try again after `Retry-After` seconds.
    TOO_MANY_REQUESTS TooManyUploads "too_many_uploads";
    /// An internal error. The server's log has the cause under the request's id.
    INTERNAL_SERVER_ERROR Internal "internal";
    /// The stored file of the dataset is damaged. The log says where.
    INTERNAL_SERVER_ERROR DatasetCorrupt "dataset_corrupt";
    /// The stored file of the model is damaged.
    INTERNAL_SERVER_ERROR ModelCorrupt "model_corrupt";
    /// The stored points of the backtest are damaged.
    INTERNAL_SERVER_ERROR PointsCorrupt "points_corrupt";
    /// The server is shutting down, its database does not answer, or a part of it is being restarted.
    SERVICE_UNAVAILABLE NotReady "not_ready";
    /// The database does not answer, or another transaction holds what is needed. Try again after `Retry-After` seconds.
    SERVICE_UNAVAILABLE DatabaseUnavailable "database_unavailable";
    /// The answer took longer than the request time.
    SERVICE_UNAVAILABLE Timeout "timeout";
    /// The server's disk is full. Nothing was kept.
    INSUFFICIENT_STORAGE DiskFull "disk_full";
}

impl Code {
    /// The code of a rejected upload or bundle, by the name that its reader uses.
    pub(in crate::http) fn of_data(name: &str) -> Option<Self> {
        let refuses =
            |code: &Self| matches!(code.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY);
        Self::ALL.iter().copied().find(|code| code.name() == name && refuses(code))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn table() -> String {
        let mut table = "| status | code | meaning |\n|---|---|---|\n".to_owned();
        for code in Code::ALL {
            let (status, name, meaning) = (code.status().as_u16(), code.name(), code.meaning().trim());
            table.push_str(&format!("| {status} | `{name}` | {meaning} |\n"));
        }
        table
    }

    #[test]
    fn the_documentation_has_the_table_of_problem_codes() {
        let page = include_str!("../../../docs/api.md");
        assert!(page.contains(&table()), "put this into docs/api.md:\n\n{}", table());
    }

    /// The quoted names that directly follow `start` in the Rust files of `folder`.
    fn names_after(folder: &str, start: &str) -> Vec<String> {
        let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
        let mut names = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            let quoted = text.split(start).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            names.extend(quoted.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
        }
        names
    }

    #[test]
    fn every_code_of_refused_data_is_in_the_table() {
        for (folder, start, least) in [
            ("crates/data/src", "IngestError::refuse(", 30),
            ("crates/data/src", "IngestError::too_large(", 5),
            ("crates/data/src", "IngestError::rows(", 1),
            ("crates/model/src/bundle/mod.rs", "=>", 10),
        ] {
            let names = names_after(folder, start);
            assert!(names.len() >= least, "{start}: {names:?}");
            let missing: Vec<&String> =
                names.iter().filter(|name| *name != "bundle_io" && Code::of_data(name).is_none()).collect();
            assert!(missing.is_empty(), "{folder}, {start}: add these to the table: {missing:?}");
        }
    }

    #[test]
    fn a_code_has_one_row_for_each_status() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.status().as_u16()));
        let mut rows: Vec<_> = Code::ALL.iter().map(|code| (code.status().as_u16(), code.name())).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), Code::ALL.len());
    }
}
