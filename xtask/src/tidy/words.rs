//! Words that appear in no file.

use super::Finding;

/// A word, and why it is not wanted. In two parts, so that this file passes.
const UNWANTED: &[([&str; 2], &str)] = &[
    (
        ["#[ig", "nore"],
        "a test that does not run proves nothing: mend or remove it",
    ),
    (["registry-1.", "docker"], HOST),
    (["docker.io", "/"], HOST),
    (["ghcr", ".io"], HOST),
    (["gcr", ".io"], HOST),
    (["quay", ".io"], HOST),
    (["registry.npm", "js"], HOST),
    (["pypi", ".org"], HOST),
    (["pythonhosted", ".org"], HOST),
    (["deb.debian", ".org"], HOST),
];

const HOST: &str = "no host of a registry is named: each machine has its own settings for that";

/// Files that name hosts because their format says so.
const EXEMPT: [&str; 1] = ["Cargo.lock"];

/// Unwanted words of one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if EXEMPT.contains(&path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (word, why) in UNWANTED.iter().map(|(parts, why)| (parts.concat(), why)) {
            if line.contains(&word) {
                let what = format!("`{word}`: {why}");
                findings.push(Finding {
                    path: path.to_owned(),
                    line: number + 1,
                    what,
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn hosts_and_sleeping_tests_are_found_where_they_stand() {
        let text = format!(
            "fine\nFROM {}{}/library/redis\n{}{}]\n",
            "docker.io", "", "#[ig", "nore"
        );
        let lines: Vec<usize> = check("Dockerfile", &text)
            .iter()
            .map(|found| found.line)
            .collect();
        assert_eq!(lines, [2, 3]);
        assert!(check("a", "apt-get install docker.io\n").is_empty());
        assert!(check("Cargo.lock", &text).is_empty());
    }
}
