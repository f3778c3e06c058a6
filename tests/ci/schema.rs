//! Whether what a run writes is as the schemas say: of JSON Schema as much as the report's own uses.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::kit::{Ran, repository};

/// Panics where a file is not as Jenkins wants it.
pub fn junit(file: &Path) {
    let schema = repository().join("tests/ci/junit-10.xsd");
    let mut lint = Command::new("xmllint");
    lint.args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .arg(file);
    let ran = Ran::of(lint.output().expect("xmllint, of libxml2-utils"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(ran.code, 0, "{}\n{text}", ran.err);
}

/// What the file says of a case of a kind (`service`, `task`, `check`) in that element, `failure/@message`.
pub fn case(file: &Path, (kind, name): (&str, &str), element: &str) -> String {
    let case = format!("//testcase[@name='{name}' and contains(@classname, '.{kind}')]");
    let mut lint = Command::new("xmllint");
    lint.args(["--nonet", "--xpath", &format!("string({case}/{element})")])
        .arg(file);
    let ran = Ran::of(lint.output().expect("xmllint, of libxml2-utils"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out.trim_end().to_owned()
}

/// Panics where the report is not as `docs/ci-report.schema.json` says.
pub fn check(report: &Value) {
    let text = include_str!("../../docs/ci-report.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let mut wrong = Vec::new();
    valid(&schema, &schema, report, "report", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}\n{report:#}");
}

const KNOWN: [&str; 14] = [
    "$schema",
    "title",
    "description",
    "format",
    "type",
    "required",
    "properties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "$ref",
    "$defs",
];

fn valid(whole: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => &whole["$defs"][name.trim_start_matches("#/$defs/")],
        None => schema,
    };
    let words = schema.as_object().unwrap();
    assert!(
        words.keys().all(|word| KNOWN.contains(&word.as_str())),
        "{words:?}"
    );
    let fits = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let typed = match &schema["type"] {
        Value::String(kind) => fits(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| fits(kind.as_str().unwrap())),
        _ => true,
    };
    let listed = schema["enum"]
        .as_array()
        .is_none_or(|all| all.contains(value));
    let constant = schema.get("const").is_none_or(|only| only == value);
    let bounded = value.as_f64().is_none_or(|number| {
        number >= schema["minimum"].as_f64().unwrap_or(f64::MIN)
            && number <= schema["maximum"].as_f64().unwrap_or(f64::MAX)
    });
    if !(typed && listed && constant && bounded) {
        wrong.push(format!("{at}: {value}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => valid(whole, schema, field, &format!("{at}.{name}"), wrong),
            None if schema.get("properties").is_some() => {
                wrong.push(format!("{at}: {name} is not in the schema"))
            }
            None => {}
        }
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        valid(
            whole,
            &schema["items"],
            item,
            &format!("{at}[{place}]"),
            wrong,
        );
    }
}
