//! Reading typed values out of rows: what does not parse is an inconsistency with a name.

use std::str::FromStr;

use ramal_domain::Timestamp;
use sqlx::{Row as _, any::AnyRow};

use crate::StoreError;

/// Reads text and parses it into `T`.
pub(crate) fn parsed<T: FromStr>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    let text: String = row.try_get(short(column))?;
    text.parse().map_err(|_unparsable| StoreError::Inconsistent { column })
}

/// Reads nullable text and parses it into `T`.
pub(crate) fn parsed_opt<T: FromStr>(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(short(column))?;
    text.map(|text| text.parse().map_err(|_unparsable| StoreError::Inconsistent { column }))
        .transpose()
}

/// Reads a time.
pub(crate) fn time(row: &AnyRow, column: &'static str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(row.try_get(short(column))?))
}

/// Reads a nullable time.
pub(crate) fn time_opt(
    row: &AnyRow,
    column: &'static str,
) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = row.try_get(short(column))?;
    Ok(millis.map(Timestamp::from_millis))
}

/// Reads a truth value, which both databases keep as 0 or 1.
pub(crate) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, StoreError> {
    let value: i64 = row.try_get(short(column))?;
    Ok(value != 0)
}

/// The column's own name, without its table.
fn short(column: &'static str) -> &'static str {
    column.rsplit('.').next().unwrap_or(column)
}

/// Parses text that came out of `column`.
pub(crate) fn parse<T: FromStr>(text: &str, column: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_meaningless| StoreError::Inconsistent { column })
}
