//! Plain data as an indented list, for people: what is empty is left out, what has a unit gets it.

use serde_json::{Map, Value};

/// The lines of a value below a heading.
pub(crate) fn lines(value: &Value, depth: usize) -> Vec<String> {
    let mut out = Vec::new();
    if let Value::Object(fields) = value {
        fields_of(fields, depth, &mut out);
    }
    out
}

fn fields_of(fields: &Map<String, Value>, depth: usize, out: &mut Vec<String>) {
    for (name, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
        let shown = name.replace('_', "-");
        field(name, &shown, value, depth, out);
    }
}

fn field(name: &str, shown: &str, value: &Value, depth: usize, out: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    if let Some(text) = short(name, value) {
        out.push(format!("{indent}{shown}  {text}"));
        return;
    }
    match value {
        Value::Object(fields) => {
            out.push(format!("{indent}{shown}"));
            if name == "environment" || name == "args" {
                // Names of variables are a person's own: they stay as they are.
                for (name, value) in fields {
                    let text = short("", value).unwrap_or_default();
                    out.push(format!("{indent}  {name}={text}"));
                }
            } else {
                fields_of(fields, depth + 1, out);
            }
        }
        Value::Array(items) => {
            out.push(format!("{indent}{shown}"));
            for item in items {
                match (short("", item), item) {
                    (Some(text), _) => out.push(format!("{indent}  - {text}")),
                    (None, Value::Object(fields)) => item_of(fields, depth + 1, out),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// An object in a list: its first line carries the dash.
fn item_of(fields: &Map<String, Value>, depth: usize, out: &mut Vec<String>) {
    let from = out.len();
    fields_of(fields, depth + 1, out);
    if let Some(first) = out.get_mut(from) {
        let text = first.trim_start().to_owned();
        *first = format!("{}- {text}", "  ".repeat(depth));
    }
}

/// A value that fits behind its name.
fn short(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.contains('\n') => Some(format!("{text:?}")),
        Value::String(text) => Some(text.clone()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(match (name, number.as_u64()) {
            ("memory" | "shm_size" | "size", Some(bytes)) => size(bytes),
            _ => number.to_string(),
        }),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Some(word(text)),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .collect();
            texts.map(|texts| texts.join(" "))
        }
        Value::Object(fields) => duration(fields).or_else(|| place(fields)),
        Value::Null => None,
    }
}

/// A word of a list; one with blanks would look like two.
fn word(text: &str) -> String {
    if text.is_empty() || text.contains(char::is_whitespace) {
        format!("{text:?}")
    } else {
        text.to_owned()
    }
}

fn duration(fields: &Map<String, Value>) -> Option<String> {
    let (secs, nanos) = (
        fields.get("secs")?.as_u64()?,
        fields.get("nanos")?.as_u64()?,
    );
    Some(match (secs, nanos / 1_000_000) {
        (secs, 0) if secs >= 60 && secs % 60 == 0 => format!("{}m", secs / 60),
        (secs, 0) => format!("{secs}s"),
        (secs, millis) => format!("{}ms", secs * 1000 + millis),
    })
}

fn place(fields: &Map<String, Value>) -> Option<String> {
    fields.get("column")?;
    let (file, line) = (fields.get("file")?.as_str()?, fields.get("line")?.as_u64()?);
    Some(format!("{file}:{line}"))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty) && duration(fields).is_none(),
        _ => false,
    }
}

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
    fn what_is_empty_is_left_out_and_units_are_said() {
        let value = serde_json::json!({
            "name": "web",
            "command": {"argv": ["sh", "-c", "echo hi"]},
            "healthcheck": {"interval": {"secs": 10, "nanos": 0}, "timeout": {"secs": 0, "nanos": 500_000_000}},
            "limits": {"cpus": 0.5, "memory": 536_870_912_u64},
            "ports": [{"host": 8000, "at": {"file": "Stackfile.kdl", "line": 3, "column": 5}}],
            "environment": {"A_B": "x y"},
            "profiles": [],
            "task": false,
        });
        assert_eq!(
            lines(&value, 1),
            [
                "  command",
                "    argv  sh -c \"echo hi\"",
                "  environment",
                "    A_B=x y",
                "  healthcheck",
                "    interval  10s",
                "    timeout  500ms",
                "  limits",
                "    cpus  0.5",
                "    memory  512M",
                "  name  web",
                "  ports",
                "    - at  Stackfile.kdl:3",
                "      host  8000",
            ]
        );
    }

    #[test]
    fn sizes_count_as_the_stackfile_does() {
        assert_eq!(size(512 << 20), "512M");
        assert_eq!(size((1 << 30) + (1 << 29)), "1.5G");
        assert_eq!(size(12), "12");
    }
}
