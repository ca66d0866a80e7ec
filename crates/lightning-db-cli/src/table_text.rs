//! Tables of text, aligned for people.

use std::fmt::Write as _;

/// Where the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Writes rows with their columns aligned.
pub(crate) fn push_table(out: &mut String, aligns: &[Align], rows: &[Vec<String>]) {
    let mut widths = vec![0; aligns.len()];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (index, ((width, cell), align)) in widths.iter().zip(row).zip(aligns).enumerate() {
            let gap = if index == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _ = match align {
                Align::Left => write!(line, "{gap}{cell:<width$}"),
                Align::Right => write!(line, "{gap}{cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [["a", "n", "x"], ["\u{e9}\u{e9}\u{e9}", "100", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let mut out = String::new();
        push_table(&mut out, &[Align::Left, Align::Right, Align::Left], &rows);
        assert_eq!(out, "a      n  x\n\u{e9}\u{e9}\u{e9}  100\n");
    }
}
