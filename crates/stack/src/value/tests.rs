//! What fits and what does not.

use super::*;

#[test]
fn durations() {
    for (text, millis) in [
        ("500ms", 500),
        ("10s", 10_000),
        ("1m30s", 90_000),
        ("1.5h", 5_400_000),
        ("0s", 0),
    ] {
        assert_eq!(
            duration(text).map(|time| time.as_millis()),
            Ok(millis),
            "{text}"
        );
    }
    for (text, label) in [
        ("10", "no unit"),
        ("", "empty"),
        ("10x", "not a unit"),
        ("s", "not a duration"),
        ("-1s", "not a duration"),
        ("1..5s", "not a duration"),
        ("99999999999999999999h", "too long"),
    ] {
        assert_eq!(
            duration(text).map_err(|unfit| unfit.label),
            Err(label.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("512M", 512 << 20),
        ("1G", 1 << 30),
        ("1.5k", 1536),
        ("2GiB", 2 << 30),
        ("64mb", 64 << 20),
    ] {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for (text, label) in [
        ("512", "no unit"),
        ("M", "not a size"),
        ("5X", "not a unit"),
        ("0M", "out of range"),
        ("5Mx", "not a unit"),
        ("999999999T", "out of range"),
    ] {
        assert_eq!(
            size(text).map_err(|unfit| unfit.label),
            Err(label.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn names_are_hosts_and_images_at_once() {
    for good in ["db", "a", "frontend-2", "a_b"] {
        assert!(name(good).is_ok(), "{good}");
    }
    for bad in ["", "Db", "-a", "a-", "a.b", "a b", "é"] {
        assert!(name(bad).is_err(), "{bad}");
    }
}

#[test]
fn targets_are_absolute_and_tidy() {
    assert_eq!(inside("/app/"), Ok("/app".to_owned()));
    assert_eq!(inside("//app/./x"), Ok("/app/x".to_owned()));
    for bad in ["app", "", "/", "/app/../etc"] {
        assert!(inside(bad).is_err(), "{bad}");
    }
}
