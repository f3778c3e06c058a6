//! What is never to be printed, taken out of what is printed.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use devrun_stack::{Source, Stack};
use serde_json::Value;

/// Stands where a secret was.
pub(crate) const MASK: &str = "***";

/// Where text of a person's own stands, which may hold a secret. Elsewhere stand names, which are
/// no secrets, however alike they look: the password of a first try is often the image's name.
const HOLDERS: [&str; 14] = [
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
    "label",
    "inline",
    "post_start",
    "pre_stop",
];

/// Shorter ones are no secrets, and would be found in every second word.
const SHORTEST: usize = 4;
/// Shorter lines of a secret of several lines say nothing by themselves.
const SHORTEST_LINE: usize = 12;

/// What this process never prints, wherever it comes from: the longest first.
static NEVER: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// From now on nothing that is printed has a secret of this stack in it.
pub(crate) fn keep(stack: &Stack, shown: &str) {
    let kept = stack
        .secrets
        .iter()
        .filter(|secret| !is_open(stack, shown, secret));
    let mut never = NEVER.write().unwrap_or_else(PoisonError::into_inner);
    for part in kept.flat_map(|secret| parts(secret)) {
        if !never.contains(&part) {
            never.push(part);
        }
    }
    never.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// Whether everybody knows it: a default that stands in the Stackfile, or a word that is also a
/// name. The password `postgres` would take the name of every second image with it.
fn is_open(stack: &Stack, shown: &str, secret: &str) -> bool {
    let here = format!("{shown}:");
    let variable = stack
        .variables
        .iter()
        .any(|one| one.value == secret && (!one.secret || one.origin.starts_with(&here)));
    let service = stack.services.iter().any(|service| {
        let image = match &service.source {
            Source::Image(image) => image.as_str(),
            Source::Build(_) => "",
        };
        service.name.contains(secret)
            || service.container_name.contains(secret)
            || image.contains(secret)
    });
    let volume = stack
        .volumes
        .iter()
        .any(|volume| volume.engine_name.contains(secret));
    variable || service || volume || stack.name.contains(secret)
}

/// A secret as it may be printed: whole, as JSON writes it, line by line.
fn parts(secret: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    if secret.len() >= SHORTEST {
        parts.push(secret.to_owned());
        let json = Value::String(secret.to_owned()).to_string();
        let escaped = json.trim_matches('"');
        if escaped != secret {
            parts.push(escaped.to_owned());
        }
    }
    if secret.contains('\n') {
        let lines = secret.lines().map(str::trim);
        let telling = lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("---"));
        parts.extend(telling.map(str::to_owned));
    }
    parts
}

/// A text that is about to be printed, without what was told to [`keep`].
pub(crate) fn printed(text: &str) -> Cow<'_, str> {
    let never = NEVER.read().unwrap_or_else(PoisonError::into_inner);
    let mut shown = Cow::Borrowed(text);
    for secret in never.iter() {
        if shown.contains(secret.as_str()) {
            shown = Cow::Owned(shown.replace(secret.as_str(), MASK));
        }
    }
    shown
}

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
    fn what_is_kept_is_not_printed_in_any_form() {
        let stack = Stack {
            secrets: [
                "to\"ken-1",
                "abc",
                "first line here\nsecond line here",
                "open-1",
            ]
            .map(str::to_owned)
            .into(),
            variables: vec![devrun_stack::Variable {
                name: "DEFAULT".into(),
                value: "open-1".into(),
                origin: "Stackfile.kdl:3".into(),
                secret: true,
            }],
            ..Stack::default()
        };
        keep(&stack, "Stackfile.kdl");
        for (text, shown) in [
            ("is to\"ken-1 here", "is *** here"),
            (r#"{"a":"to\"ken-1"}"#, r#"{"a":"***"}"#),
            ("abc stays", "abc stays"),
            ("| second line here", "| ***"),
            ("open-1 stands in the file", "open-1 stands in the file"),
        ] {
            assert_eq!(printed(text), shown, "{text}");
        }
    }

    #[test]
    fn the_longest_secret_goes_first() {
        let secrets = ["key".to_owned(), "keyring".to_owned()];
        assert_eq!(text("a keyring and a key", &secrets), "a *** and a ***");
    }
}
