//! `Range: bytes=…`, for downloads that go on where they broke off.

use std::ops::RangeInclusive;

/// A range that holds nothing of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsatisfiable;

/// The bytes that a `Range` header asks for; `None` when the whole is wanted, as with a header in a
/// unit or with several ranges that this server does not know.
pub(super) fn parse(
    header: Option<&str>,
    size: u64,
) -> Result<Option<RangeInclusive<u64>>, Unsatisfiable> {
    let Some(range) = header.and_then(|header| header.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    let Some((first, last)) = range.split_once('-') else { return Ok(None) };
    let end = size.checked_sub(1).ok_or(Unsatisfiable)?;
    let range = match (first.parse::<u64>().ok(), last.parse::<u64>().ok()) {
        (Some(first), Some(last)) => first..=last.min(end),
        (Some(first), None) if last.is_empty() => first..=end,
        // The last so many bytes.
        (None, Some(0)) => return Err(Unsatisfiable),
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..=end,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(Unsatisfiable) } else { Ok(Some(range)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_clients_write_them() {
        for (header, wanted) in [
            (None, Ok(None)),
            (Some("bytes=0-"), Ok(Some(0..=99))),
            (Some("bytes=10-19"), Ok(Some(10..=19))),
            (Some("bytes=90-200"), Ok(Some(90..=99))),
            (Some("bytes=-10"), Ok(Some(90..=99))),
            (Some("bytes=-1000"), Ok(Some(0..=99))),
            (Some("bytes=100-"), Err(Unsatisfiable)),
            (Some("bytes=20-10"), Err(Unsatisfiable)),
            (Some("bytes=-0"), Err(Unsatisfiable)),
            (Some("bytes=0-1,5-6"), Ok(None)),
            (Some("items=0-1"), Ok(None)),
        ] {
            assert_eq!(parse(header, 100), wanted, "{header:?}");
        }
    }
}
