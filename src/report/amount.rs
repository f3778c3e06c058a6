//! Amounts for people.

/// An amount of memory or disk: `512M`, `1.5G`; both count in powers of 1024, as the Stackfile does.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];
    for (unit, one) in UNITS {
        if bytes >= one {
            let amount = format!("{:.1}", bytes as f64 / one as f64);
            return format!("{}{unit}", amount.trim_end_matches(".0"));
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_as_the_stackfile_does() {
        assert_eq!(size(512 << 20), "512M");
        assert_eq!(size((1 << 30) + (1 << 29)), "1.5G");
        assert_eq!(size(12), "12");
    }
}
