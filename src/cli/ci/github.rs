//! What GitHub Actions understands: annotations at a line, folded parts, a page of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use devrun_core::verdict::{Report, Why};

use super::failed::Failed;

/// Whether it runs there.
pub(super) fn is_here() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// Where the repository was checked out: names of files in annotations begin there.
fn checkout() -> PathBuf {
    let said = std::env::var_os("GITHUB_WORKSPACE").filter(|it| !it.is_empty());
    let here = || std::env::current_dir().unwrap_or_default();
    let folder = said.map_or_else(here, PathBuf::from);
    folder.canonicalize().unwrap_or(folder)
}

/// A file that is called so here or in the stack's folder, as annotations call it.
pub(super) fn in_checkout(root: &Path, file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let found = [here.join(file), root.join(file)];
    let found = found.into_iter().find_map(|it| it.canonicalize().ok());
    match found.as_deref().map(|it| it.strip_prefix(checkout())) {
        Some(Ok(inside)) => inside.display().to_string(),
        _ => file.to_owned(),
    }
}

/// The same for a test that failed, which goes deeper than its check.
pub(super) fn of_test(root: &Path, failed: &Failed) -> String {
    let mut properties = String::new();
    let (file, line) = match &failed.file {
        Some(file) => (file.display().to_string(), failed.test.line),
        None => match place(&failed.at) {
            Some((file, line)) => (file.to_owned(), Some(line)),
            None => (String::new(), None),
        },
    };
    if !file.is_empty() {
        let _ = write!(properties, "file={},", property(&in_checkout(root, &file)));
    }
    if let Some(line) = line {
        let _ = write!(properties, "line={line},");
    }
    let _ = write!(properties, "title={}", property(&failed.check));
    let mut text = failed.text();
    if !failed.test.details.is_empty() {
        text.push('\n');
        text.push_str(&failed.test.details);
    }
    format!("::error {properties}::{}", data(&text))
}

/// `::error file=Stackfile.kdl,line=12,title=…::…`. What a build says first is a line of its
/// `dockerfile`, which goes deeper.
pub(super) fn annotation(
    why: &Why,
    dockerfile: Option<&str>,
    in_checkout: impl Fn(&str) -> String,
) -> String {
    let of_build = dockerfile.and_then(|whole| {
        let name = whole.rsplit('/').next()?;
        let mut places = why.details.iter().filter_map(|line| place(line));
        let (_, line) = places.find(|(file, _)| *file == name)?;
        Some((whole, line))
    });
    let mut properties = String::new();
    if let Some((file, line)) = of_build.or_else(|| place(&why.at)) {
        let _ = write!(
            properties,
            "file={},line={line},",
            property(&in_checkout(file))
        );
    }
    let title = match why.name.as_str() {
        "" => "devrun ci",
        name => name,
    };
    let _ = write!(properties, "title={}", property(title));
    let mut text = why.text.clone();
    for line in &why.details {
        text.push('\n');
        text.push_str(line);
    }
    format!("::error {properties}::{}", data(&text))
}

/// `web/Dockerfile:9  RUN …`: the file and the line.
fn place(text: &str) -> Option<(&str, u32)> {
    let word = text.split_whitespace().next()?;
    let (file, line) = word.rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Adds to the page of the job, where it has one.
pub(super) fn summary(report: &Report, failed: &[Failed]) -> std::io::Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let text = markdown(report, failed);
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?;
    file.write_all(crate::report::mask::printed(&text).as_bytes())
}

/// The run as a page.
fn markdown(report: &Report, failed: &[Failed]) -> String {
    let head = &report.head;
    let seconds = |millis: u64| {
        crate::report::seconds(std::time::Duration::from_millis(millis).as_secs_f64() * 1000.0)
    };
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut page = format!(
        "## {} · {} in {} (exit code {})\n\n",
        head.stack,
        head.outcome,
        seconds(report.took_ms),
        head.exit_code
    );
    for reason in &head.reasons {
        let _ = writeln!(page, "- {}", cell(reason));
    }
    page.push_str(
        "\n| service | state | ready after | restarts | timeline |\n|---|---|---|---|---|\n",
    );
    for service in report.services.iter().filter(|it| it.state != "off") {
        let spans = service
            .timeline
            .iter()
            .filter(|it| !matches!(it.what.as_str(), "ready" | "done"));
        let spans: Vec<String> = spans
            .map(|it| {
                format!(
                    "{} {}",
                    it.what,
                    seconds(it.to_ms.saturating_sub(it.from_ms))
                )
            })
            .collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            service.name,
            service.state,
            service.took_ms.map_or_else(String::new, seconds),
            service.restarts,
            cell(&spans.join(", "))
        );
    }
    if !report.checks.is_empty() {
        page.push_str("\n| check | | took | attempts | |\n|---|---|---|---|---|\n");
    }
    for check in &report.checks {
        let why = check.attempts.iter().rev().find_map(|it| it.why.first());
        let why = why.or(check.reason.as_ref());
        let outcome = if check.flaky { "flaky" } else { check.outcome };
        let _ = writeln!(
            page,
            "| {} | {outcome} | {} | {} | {} |",
            check.name,
            seconds(check.took_ms),
            check.attempts.len(),
            why.map_or_else(String::new, |why| cell(why))
        );
    }
    if !failed.is_empty() {
        page.push_str("\n| failed test | of check | where |\n|---|---|---|\n");
    }
    for one in failed {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            cell(&one.text()),
            one.check,
            one.place(&checkout()).unwrap_or_default()
        );
    }
    let path: Vec<String> = report
        .critical_path
        .iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it.name,
                it.what,
                seconds(it.to_ms.saturating_sub(it.from_ms))
            )
        })
        .collect();
    let _ = writeln!(page, "\nCritical path: {}\n", path.join(" → "));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_points_at_the_deepest_line() {
        let why = Why {
            name: "api".into(),
            text: "api: its build failed, 100%".into(),
            at: "Stackfile.kdl:12".into(),
            details: vec!["ERROR: a".into(), "Dev.Dockerfile:9  RUN pip".into()],
        };
        let place = |dockerfile| {
            let text = annotation(&why, dockerfile, str::to_owned);
            text.split("::").nth(1).map(str::to_owned).unwrap()
        };
        assert_eq!(
            place(Some("web/Dev.Dockerfile")),
            "error file=web/Dev.Dockerfile,line=9,title=api"
        );
        assert_eq!(
            place(Some("web/Dockerfile")),
            "error file=Stackfile.kdl,line=12,title=api"
        );
        assert!(
            annotation(&why, None, str::to_owned).ends_with(
                "::api: its build failed, 100%25%0AERROR: a%0ADev.Dockerfile:9  RUN pip"
            )
        );
    }
}
