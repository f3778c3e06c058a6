//! Medians, ratios, and what is wanted of them.

use crate::run::say;

/// What a bench found.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Tables for the page, each with its head.
    tables: Vec<Table>,
    lines: Vec<String>,
    short: usize,
}

/// Rows below a head.
#[derive(Debug)]
struct Table {
    head: String,
    columns: usize,
    rows: Vec<String>,
}

impl Figures {
    /// From here on rows have these columns.
    pub(super) fn table(&mut self, columns: &[&str]) {
        let line = "|---".repeat(columns.len());
        self.tables.push(Table {
            head: format!("| {} |\n{line}|", columns.join(" | ")),
            columns: columns.len(),
            rows: Vec::new(),
        });
    }

    /// One row for the page.
    pub(super) fn cells(&mut self, cells: &[&str]) {
        if let Some(table) = self.tables.last_mut() {
            debug_assert_eq!(cells.len(), table.columns);
            table.rows.push(format!("| {} |", cells.join(" | ")));
        }
    }

    /// A row of what was measured alone: its median and spread, in milliseconds.
    pub(super) fn row(&mut self, name: &str, times: &[f64]) -> f64 {
        let times = Times::of(times);
        let median = times.median();
        say(&format!(
            "  {name:<46} {median:>9.0} ms   ({:.0} to {:.0}, {} times)",
            times.least(),
            times.most(),
            times.count()
        ));
        self.cells(&[name, &milliseconds(median), &times.spread()]);
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

    /// A figure that could not be had, which is as good as one that is short.
    pub(super) fn failed(&mut self, name: &str, why: &str) {
        self.short += 1;
        let line = why.lines().next().unwrap_or_default();
        self.lines
            .push(format!("figure {name} failed short ({line})"));
    }

    /// Prints all of them; how many are short.
    pub(super) fn report(&self) -> usize {
        for line in &self.lines {
            say(line);
        }
        self.short
    }

    /// The tables and the figures as Markdown.
    pub(super) fn markdown(&self) -> String {
        let tables = self.tables.iter().filter(|table| !table.rows.is_empty());
        let tables = tables.map(|table| format!("{}\n{}\n", table.head, table.rows.join("\n")));
        let tables: Vec<String> = tables.collect();
        format!(
            "{}\n```\n{}\n```\n",
            tables.join("\n"),
            self.lines.join("\n")
        )
    }
}

/// Measured times, in order of size.
#[derive(Debug, Clone)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn of(times: &[f64]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// Nothing measured has none, and is short of everything.
    pub(super) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(self.0[middle - 1], self.0[middle]),
            _ => self.0[middle],
        }
    }

    /// What so many of a hundred stay within: the nearest rank.
    pub(super) fn percentile(&self, of_hundred: usize) -> f64 {
        let rank = (self.0.len() * of_hundred).div_ceil(100);
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Least, most and how often.
    pub(super) fn spread(&self) -> String {
        format!(
            "{} to {}, {} times",
            milliseconds(self.least()),
            milliseconds(self.most()),
            self.count()
        )
    }
}

/// For people: as many digits as are worth reading.
pub(super) fn milliseconds(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{value:.2} ms"),
        small if small < 100.0 => format!("{value:.1} ms"),
        small if small < 1000.0 => format!("{value:.0} ms"),
        _ => format!("{:.2} s", value / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Times, milliseconds};

    #[test]
    fn medians_and_percentiles() {
        let times: Vec<f64> = (1..=500).rev().map(f64::from).collect();
        let times = Times::of(&times);
        assert_eq!(times.median().to_string(), "250.5");
        assert_eq!(times.percentile(50).to_string(), "250");
        assert_eq!(times.percentile(99).to_string(), "495");
        assert_eq!(Times::of(&[3.0]).percentile(99).to_string(), "3");
        assert!(Times::of(&[]).median().is_nan());
    }

    #[test]
    fn what_is_too_much_or_was_not_measured_is_short() {
        let mut figures = Figures::default();
        figures.at_most("a.ms", 3.0, 3.0);
        figures.at_most("b.ms", 3.1, 3.0);
        figures.at_most("c.ms", f64::NAN, 3.0);
        figures.failed("d", "compose failed: no\nmore");
        assert_eq!(
            figures.lines,
            [
                "figure a.ms 3.000 wanted <= 3 ok",
                "figure b.ms 3.100 wanted <= 3 short",
                "figure c.ms NaN wanted <= 3 short",
                "figure d failed short (compose failed: no)",
            ]
        );
        assert_eq!(figures.short, 3);
    }

    #[test]
    fn tables_are_markdown() {
        let mut figures = Figures::default();
        figures.table(&["work", "median", "spread"]);
        figures.row("up", &[2.0, 1.0, 3.0]);
        figures.at_most("up.ms", 2.0, 3.0);
        assert_eq!(
            figures.markdown(),
            "| work | median | spread |\n|---|---|---|\n\
             | up | 2.00 ms | 1.00 ms to 3.00 ms, 3 times |\n\n\
             ```\nfigure up.ms 2.000 wanted <= 3 ok\n```\n"
        );
    }

    #[test]
    fn digits_that_are_worth_reading() {
        let said = [0.5, 1.234, 12.34, 345.6, 1740.0].map(milliseconds);
        assert_eq!(said, ["0.50 ms", "1.23 ms", "12.3 ms", "346 ms", "1.74 s"]);
    }
}
