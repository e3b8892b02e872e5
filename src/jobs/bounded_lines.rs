//! Line reader with an upper limit on line length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Reads lines of at most `limit` bytes.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    limit: usize,
    line: Vec<u8>,
    /// `line` was returned; the next call clears it.
    given: bool,
}

/// One result of [`Lines::next`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line without its terminator.
    Whole(&'a [u8]),
    /// The limit was reached before the end of the line. The next result is the rest of that line.
    TooLong,
    End,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, limit: usize) -> Self {
        Self { from, limit, line: Vec::new(), given: false }
    }

    /// The next line; a final line without a terminator counts. Cancel-safe: a partly read line is kept.
    pub(super) async fn next(&mut self) -> io::Result<Line<'_>> {
        if std::mem::take(&mut self.given) {
            self.line.clear();
        }
        loop {
            let chunk = self.from.fill_buf().await?;
            if chunk.is_empty() {
                self.given = true;
                return Ok(if self.line.is_empty() { Line::End } else { Line::Whole(&self.line) });
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = end.unwrap_or(chunk.len());
            if self.line.len() + part > self.limit {
                self.given = true;
                self.from.consume(part);
                return Ok(Line::TooLong);
            }
            self.line.extend_from_slice(chunk.get(..part).unwrap_or_default());
            self.from.consume(part + usize::from(end.is_some()));
            if end.is_some() {
                self.given = true;
                return Ok(Line::Whole(&self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    async fn read(text: &str, limit: usize) -> Vec<String> {
        // The buffer is shorter than the lines, so that each arrives in several reads.
        let mut lines = Lines::new(BufReader::with_capacity(3, text.as_bytes()), limit);
        let mut seen = Vec::new();
        loop {
            match lines.next().await.unwrap() {
                Line::Whole(line) => seen.push(String::from_utf8_lossy(line).into_owned()),
                Line::TooLong => seen.push("too long".to_owned()),
                Line::End => return seen,
            }
        }
    }

    #[tokio::test]
    async fn lines_come_whole_and_in_order() {
        assert_eq!(read("first\n\nthird\nunended", 7).await, ["first", "", "third", "unended"]);
    }

    #[tokio::test]
    async fn a_line_past_the_limit_is_reported_and_does_not_grow() {
        let seen = read("1234567\n12345678\nafter\n", 7).await;
        assert_eq!(seen.first().map(String::as_str), Some("1234567"));
        assert_eq!(seen.get(1).map(String::as_str), Some("too long"));
        assert_eq!(seen.last().map(String::as_str), Some("after"));
    }
}
