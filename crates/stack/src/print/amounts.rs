//! Amounts as the Stackfile writes them: what is read from them again is the same to the last
//! byte and nanosecond.

use std::time::Duration;

/// `1m30s`, `500ms`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let mut text = String::new();
    for (amount, unit) in [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ] {
        if amount > 0 {
            text.push_str(&format!("{amount}{unit}"));
        }
    }
    let (millis, rest) = (time.subsec_millis(), time.subsec_nanos() % 1_000_000);
    match (millis, rest) {
        (0, 0) if text.is_empty() => "0s".to_owned(),
        (0, 0) => text,
        (millis, 0) => format!("{text}{millis}ms"),
        (millis, rest) => format!("{text}{millis}.{rest:06}ms"),
    }
}

/// `512M`, `1.5G`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("T", 1 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
    ];
    let quarters = UNITS
        .into_iter()
        .find(|(_, one)| bytes >= *one && bytes.is_multiple_of(one / 4));
    let (unit, one) = quarters.unwrap_or(("K", 1 << 10));
    let (whole, rest) = (bytes / one, bytes % one);
    if rest == 0 {
        return format!("{whole}{unit}");
    }
    // Each is a power of two, so that the fraction has an end.
    let (mut digits, mut rest) = (String::new(), u128::from(rest));
    while rest > 0 {
        rest *= 10;
        digits.push_str(&(rest / u128::from(one)).to_string());
        rest %= u128::from(one);
    }
    format!("{whole}.{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value;

    #[test]
    fn amounts_read_well() {
        for (text, printed) in [
            ("90s", "1m30s"),
            ("0s", "0s"),
            ("1.5h", "1h30m"),
            ("0.5s", "500ms"),
            ("0.0001ms", "0.000100ms"),
        ] {
            assert_eq!(value::duration(text).map(duration), Ok(printed.to_owned()));
        }
        for (text, printed) in [
            ("512M", "512M"),
            ("1536M", "1.5G"),
            ("1.3G", "1363148.7998046875K"),
            ("1024K", "1M"),
        ] {
            assert_eq!(value::size(text).map(size), Ok(printed.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn any_duration_is_read_again(nanos in 0u64..10_000_000_000_000_000) {
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(value::duration(&duration(time)), Ok(time));
        }

        #[test]
        fn any_size_is_read_again(bytes in 1u64..(1 << 53)) {
            prop_assert_eq!(value::size(&size(bytes)), Ok(bytes));
        }
    }
}
