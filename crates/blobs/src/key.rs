//! The keys of blobs. They are built only from ids and hashes that the server generates: text from clients
//! never becomes part of a path.

use std::fmt;

use super::BlobError;
use gatecast_core::ids::{DatasetId, JobId, ModelId};

/// A blob's key: `datasets/{id}/{sha256}.parquet`, `datasets/{id}/{sha256}.index.parquet`,
/// `models/{id}.safetensors` or `backtests/{id}.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    path: String,
    subject: Subject,
}

/// What a blob belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A revision of a dataset, by the hash of its points.
    Revision {
        dataset: DatasetId,
        sha256: String,
    },
    Model(ModelId),
    /// A job's result file.
    Job(JobId),
}

impl Key {
    /// The points of a dataset's revision.
    pub fn dataset_points(dataset: DatasetId, sha256: &str) -> Result<Self, BlobError> {
        Self::of_revision(dataset, sha256, "parquet")
    }

    /// The index of series of a dataset's revision. The key contains the hash of the points.
    pub fn dataset_index(dataset: DatasetId, sha256: &str) -> Result<Self, BlobError> {
        Self::of_revision(dataset, sha256, "index.parquet")
    }

    /// A model's bundle.
    pub fn model(id: ModelId) -> Self {
        Self { path: format!("models/{id}.safetensors"), subject: Subject::Model(id) }
    }

    /// The points of a backtest.
    pub fn backtest_points(job: JobId) -> Self {
        Self { path: format!("backtests/{job}.parquet"), subject: Subject::Job(job) }
    }

    fn of_revision(dataset: DatasetId, sha256: &str, ending: &str) -> Result<Self, BlobError> {
        if !is_sha256(sha256) {
            return Err(BlobError::NotAHash);
        }
        Ok(Self {
            path: format!("datasets/{dataset}/{sha256}.{ending}"),
            subject: Subject::Revision { dataset, sha256: sha256.to_owned() },
        })
    }

    /// Parses a path; returns `None` if it is not a key's path.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let key = match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            ("datasets", id, Some(file), None) => match file.split_once('.')? {
                (sha256, "parquet") => Self::dataset_points(id.parse().ok()?, sha256).ok()?,
                (sha256, "index.parquet") => Self::dataset_index(id.parse().ok()?, sha256).ok()?,
                _ => return None,
            },
            ("models", file, None, None) => Self::model(file.strip_suffix(".safetensors")?.parse().ok()?),
            ("backtests", file, None, None) => Self::backtest_points(file.strip_suffix(".parquet")?.parse().ok()?),
            _ => return None,
        };
        // An id in upper case parses, but is not a key.
        (key.path == path).then_some(key)
    }

    pub fn as_str(&self) -> &str {
        &self.path
    }

    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn location(&self) -> object_store::path::Path {
        object_store::path::Path::from(self.path.as_str())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_parses_to_itself_and_other_paths_are_rejected() {
        let (dataset, model, sha256) = (DatasetId::new(), ModelId::new(), "0a".repeat(32));
        let keys = [Key::dataset_points(dataset, &sha256), Key::dataset_index(dataset, &sha256), Ok(Key::model(model))];
        for key in keys {
            let key = key.unwrap();
            assert_eq!(Key::parse(key.as_str()), Some(key));
        }
        assert!(Key::dataset_points(dataset, "../../etc/passwd").is_err());
        for path in [
            format!("models/{model}"),
            format!("models/{}.safetensors", model.to_string().to_uppercase()),
            format!("datasets/{dataset}/{sha256}.txt"),
            format!("datasets/{dataset}/{sha256}.parquet.part"),
            format!("datasets/{dataset}/x/{sha256}.parquet"),
            "lost+found/x".to_owned(),
        ] {
            assert_eq!(Key::parse(&path), None, "{path}");
        }
    }
}
