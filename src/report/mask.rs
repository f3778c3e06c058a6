//! What is never to be printed, taken out of what is printed.

use serde_json::Value;

/// Stands where a secret was.
pub(crate) const MASK: &str = "***";

/// Where text of a person's own stands, which may hold a secret. Elsewhere stand names, which are
/// no secrets, however alike they look: the password of a first try is often the image's name.
const HOLDERS: [&str; 10] = [
    "environment",
    "args",
    "command",
    "entrypoint",
    "healthcheck",
    "on",
    "value",
    "test",
    "labels",
    "text",
];

/// A text without the secrets.
pub(crate) fn text(text: &str, secrets: &[String]) -> String {
    // The longest first: one may lie within another.
    let mut secrets: Vec<&String> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
        .into_iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
}

/// Plain data without the secrets.
pub(crate) fn data(value: &mut Value, secrets: &[String]) {
    walk(value, secrets, false);
}

fn walk(value: &mut Value, secrets: &[String], may_hold: bool) {
    match value {
        Value::String(shown) if may_hold => *shown = text(shown, secrets),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| walk(item, secrets, may_hold)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                walk(field, secrets, may_hold || HOLDERS.contains(&name.as_str()));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_out_of_values_and_stay_in_names() {
        let mut value = serde_json::json!({
            "source": {"image": "postgres:17"},
            "environment": {"URL": "postgres://u:postgres@db", "N": "1"},
            "command": {"argv": ["--password=postgres"]},
        });
        data(&mut value, &["postgres".to_owned(), String::new()]);
        assert_eq!(
            value,
            serde_json::json!({
                "source": {"image": "postgres:17"},
                "environment": {"URL": "***://u:***@db", "N": "1"},
                "command": {"argv": ["--password=***"]},
            })
        );
    }

    #[test]
    fn the_longest_secret_goes_first() {
        let secrets = ["key".to_owned(), "keyring".to_owned()];
        assert_eq!(text("a keyring and a key", &secrets), "a *** and a ***");
    }
}
