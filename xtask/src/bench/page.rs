//! `docs/performance.md`: each bench has a place of its own between two marks.

use std::fs;

use super::Error;
use super::figures::Figures;
use super::machine::Machine;
use crate::run::{self, say};

const PAGE: &str = "docs/performance.md";

/// Puts what a bench found in its place.
pub(super) fn write(bench: &str, machine: &Machine, figures: &Figures) -> Result<(), Error> {
    let path = run::root().join(PAGE);
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let page = fs::read_to_string(&path).map_err(failed)?;
    let list: Vec<String> = machine
        .lines
        .iter()
        .map(|line| format!("- {line}\n"))
        .collect();
    let text = format!(
        "Measured by `cargo xtask bench {bench}` on\n\n{}\n{}",
        list.concat(),
        figures.markdown()
    );
    let page = replaced(&page, bench, &text).ok_or_else(|| Error::Side {
        side: PAGE.to_owned(),
        output: format!("the marks of `bench {bench}` are not there"),
    })?;
    fs::write(&path, page).map_err(failed)?;
    say(&format!("  written to {PAGE}"));
    Ok(())
}

/// The page with that text between the marks of that bench; `None` where they are missing.
fn replaced(page: &str, bench: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- bench {bench} -->\n"),
        format!("<!-- end of bench {bench} -->"),
    );
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = "a\n<!-- bench idle -->\nold\n<!-- end of bench idle -->\n\
                    <!-- bench sync -->\nkept\n<!-- end of bench sync -->\nb\n";
        assert_eq!(
            replaced(page, "idle", "new\n").unwrap(),
            "a\n<!-- bench idle -->\n\nnew\n\n<!-- end of bench idle -->\n\
             <!-- bench sync -->\nkept\n<!-- end of bench sync -->\nb\n"
        );
        assert_eq!(replaced(page, "start", "new\n"), None);
    }

    #[test]
    fn the_page_has_a_place_for_each_bench_and_keeps_it() {
        let page = include_str!("../../../docs/performance.md");
        for bench in ["start", "idle", "sync", "ci", "proxy", "update"] {
            let once = replaced(page, bench, "new\n").unwrap();
            assert_eq!(replaced(&once, bench, "new\n").unwrap(), once, "{bench}");
        }
    }
}
