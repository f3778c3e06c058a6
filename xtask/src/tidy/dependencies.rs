//! Every crate that we chose is listed in `docs/dependencies.md` with the
//! reason, and nothing else is; the deciding crates choose none that act.

use std::collections::BTreeMap;

use super::{Finding, TextFile};

const LIST: &str = "docs/dependencies.md";

/// Crates that stack, core and wire must not even be able to name.
const ACTING: [&str; 4] = ["tokio", "bollard", "notify", "hyper"];
const PURE: [&str; 3] = [
    "crates/stack/Cargo.toml",
    "crates/core/Cargo.toml",
    "crates/wire/Cargo.toml",
];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let manifests = || {
        files
            .iter()
            .filter(|file| file.path.ends_with("Cargo.toml"))
    };
    let mut used = BTreeMap::new();
    let mut findings = Vec::new();
    for manifest in manifests() {
        for (line, name) in chosen(&manifest.text) {
            if PURE.contains(&manifest.path.as_str()) && ACTING.contains(&name) {
                findings.push(finding(
                    &manifest.path,
                    line,
                    format!("`{name}` acts, this crate decides"),
                ));
            }
            used.entry(name).or_insert((manifest.path.as_str(), line));
        }
    }
    let list = files.iter().find(|file| file.path == LIST);
    let listed: BTreeMap<&str, usize> = list.map_or_else(BTreeMap::new, |file| rows(&file.text));
    for (name, (path, line)) in &used {
        if !listed.contains_key(name) {
            findings.push(finding(
                path,
                *line,
                format!("`{name}` is not in {LIST}: say why we need it"),
            ));
        }
    }
    for (name, line) in &listed {
        if !used.contains_key(name) {
            findings.push(finding(
                LIST,
                *line,
                format!("`{name}` is not used any more"),
            ));
        }
    }
    findings
}

fn finding(path: &str, line: usize, what: String) -> Finding {
    Finding {
        path: path.to_owned(),
        line,
        what,
    }
}

/// Crates of others in the dependency tables of a manifest, with their lines.
fn chosen(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_table = false;
    manifest
        .lines()
        .enumerate()
        .filter_map(move |(index, line)| {
            if let Some(header) = line.strip_prefix('[') {
                // `[workspace.dependencies]` only gives versions to those who ask.
                let header = header.trim_end_matches(']');
                in_table = header.ends_with("dependencies") && header != "workspace.dependencies";
                return None;
            }
            let (key, _) = line.split_once('=')?;
            let name = key.trim().split('.').next()?;
            let is_name = name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            (in_table && is_name && !name.starts_with("devrun-")).then_some((index + 1, name))
        })
}

/// Names in the first column of the list's tables, where each has a reason.
fn rows(list: &str) -> BTreeMap<&str, usize> {
    list.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let mut cells = line.strip_prefix("| `")?.split('|');
            let name = cells.next()?.trim().trim_end_matches('`');
            let reason = cells.next()?.trim();
            (!reason.is_empty()).then_some((name, index + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{LIST, TextFile, check};

    fn found(manifest: (&str, &str), list: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile {
            path: path.into(),
            text: text.into(),
        };
        let files = [file(manifest.0, manifest.1), file(LIST, list)];
        check(&files).iter().map(ToString::to_string).collect()
    }

    const LISTED: &str = "| crate | why |\n| --- | --- |\n| `serde` | our messages |\n";

    #[test]
    fn a_listed_dependency_is_fine() {
        let manifest = "[workspace.dependencies]\nkdl = \"6\"\n\n[package]\nname = \"a\"\n\n\
                        [dependencies]\ndevrun-core.workspace = true\nserde.workspace = true\n";
        assert!(found(("Cargo.toml", manifest), LISTED).is_empty());
    }

    #[test]
    fn one_without_a_reason_is_found_and_one_too_many_as_well() {
        let manifest = "[dev-dependencies]\ninsta = { version = \"1\" }\n";
        assert_eq!(
            found(("Cargo.toml", manifest), LISTED),
            [
                "Cargo.toml:2: `insta` is not in docs/dependencies.md: say why we need it",
                "docs/dependencies.md:3: `serde` is not used any more",
            ]
        );
        let silent = "| `insta` | |\n";
        assert_eq!(found(("Cargo.toml", manifest), silent).len(), 1);
    }

    #[test]
    fn deciding_crates_choose_none_that_act() {
        let manifest = "[dependencies]\ntokio = \"1\"\n";
        let list = "| `tokio` | the loop |\n";
        assert_eq!(
            found(("crates/core/Cargo.toml", manifest), list),
            ["crates/core/Cargo.toml:2: `tokio` acts, this crate decides"]
        );
    }
}
