//! The database's address: `sqlite:` and a path, or a PostgreSQL URL.

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// A parsed database address.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("expected sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")]
    Scheme,
    #[error("sqlite: needs the path of a file after it")]
    NoFile,
    #[error("the PostgreSQL URL cannot be read")]
    Postgres,
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            // An in-memory database would lose data that the API has confirmed.
            if path.is_empty() || path.starts_with(':') {
                return Err(UrlError::NoFile);
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The parser's error may contain the password.
            return text.parse().map(|options| Self::Postgres(Box::new(options))).map_err(|_| UrlError::Postgres);
        }
        Err(UrlError::Scheme)
    }
}

/// Omits the password.
impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(options) => write!(f, "postgres://{}:{}", options.get_host(), options.get_port()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_or_a_server() {
        let file = |text: &str| match text.parse() {
            Ok(DatabaseUrl::Sqlite(path)) => path.display().to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(file("sqlite:data/gatecast.db"), "data/gatecast.db");
        assert_eq!(file("sqlite:///var/lib/g.db"), "/var/lib/g.db");
        let server = "postgres://me:secret@db/gatecast".parse::<DatabaseUrl>().unwrap();
        assert_eq!(format!("{server:?}"), "postgres://db:5432");
    }

    #[test]
    fn a_url_of_memory_or_of_an_unknown_scheme_is_rejected() {
        for (text, error) in [
            ("sqlite:", UrlError::NoFile),
            ("sqlite::memory:", UrlError::NoFile),
            ("sqlite://:memory:", UrlError::NoFile),
            ("mysql://db/gatecast", UrlError::Scheme),
            ("postgres://me:p@ss@[db/gatecast", UrlError::Postgres),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().unwrap_err(), error, "{text}");
        }
    }
}
