//! Medians, ratios, and what is wanted of them.

use crate::run::say;

/// What a bench found.
#[derive(Debug, Default)]
pub(super) struct Figures {
    lines: Vec<String>,
    short: usize,
}

impl Figures {
    /// One line for people: a row's median and spread, in milliseconds.
    pub(super) fn row(name: &str, times: &[f64]) -> f64 {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (
            sorted.first().copied().unwrap_or(0.0),
            sorted.last().copied().unwrap_or(0.0),
        );
        let median = median(&sorted);
        say(&format!(
            "  {name:<46} {median:>9.0} ms   ({least:.0} to {most:.0}, {} times)",
            times.len()
        ));
        median
    }

    /// A figure and the most that it may be.
    pub(super) fn at_most(&mut self, name: &str, value: f64, wanted: f64) {
        let fine = value <= wanted;
        let word = if fine { "ok" } else { "short" };
        self.short += usize::from(!fine);
        self.lines.push(format!(
            "figure {name} {value:.3} wanted <= {wanted} {word}"
        ));
    }

    /// Prints all of them; how many are short.
    pub(super) fn report(&self) -> usize {
        for line in &self.lines {
            say(line);
        }
        self.short
    }
}

/// Of sorted values.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}
