//! Columns as wide as their widest cell.

use anstyle::Style;

/// A cell, coloured or not.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    style: Style,
    text: String,
}

impl Cell {
    pub(crate) fn plain(text: &str) -> Cell {
        Cell::styled(Style::new(), text)
    }

    pub(crate) fn styled(style: Style, text: &str) -> Cell {
        Cell {
            style,
            text: text.to_owned(),
        }
    }
}

/// The lines of a table.
pub(crate) fn lines(head: &[&str], rows: Vec<Vec<Cell>>) -> Vec<String> {
    let head: Vec<Cell> = head.iter().map(|text| Cell::plain(text)).collect();
    let mut all = vec![head];
    all.extend(rows);
    let columns = all.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.text.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    all.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    // Nothing stands behind the last word, not even a blank.
    let shown = row.iter().rposition(|cell| !cell.text.is_empty());
    let shown = shown.map_or(0, |last| last + 1);
    let mut line = String::new();
    for (column, cell) in row.iter().take(shown).enumerate() {
        let Cell { style, text } = cell;
        let width = widths.get(column).copied().unwrap_or(0) + 2;
        let padding = match column + 1 == shown {
            true => 0,
            false => width.saturating_sub(text.chars().count()),
        };
        line.push_str(&format!("{style}{text}{style:#}{:padding$}", ""));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let rows = vec![
            vec![Cell::plain("db"), Cell::plain("ready")],
            vec![Cell::plain("frontend"), Cell::plain("off")],
        ];
        let lines = lines(&["SERVICE", "STATE"], rows);
        assert_eq!(
            lines,
            ["SERVICE   STATE", "db        ready", "frontend  off"]
        );
    }
}
