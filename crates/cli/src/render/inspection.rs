//! An inspection on a terminal of 80 columns.

use std::io::{self, Write};

use honeyguide::inspect::{
    ColumnSummary, Correlations, Distinct, FeatureInspection, FeatureSummary, Inspection,
    LabelSummary, NumericSummary, Remark, ValueCount,
};

use super::screen::prose_width;
use super::{
    TextTable, bars, count, fitted, heading, number, of_them, percent, percent_of, printable,
    recipe_of, shortened, wrapped,
};

/// The number of columns of the data that are shown; `--json` has all.
const MAX_COLUMNS: usize = 60;
/// The number of correlations that are shown, the strongest ones.
const STRONGEST: usize = 6;
/// The number of remarks that are shown.
const MAX_REMARKS: usize = 30;
/// The indent of the lines that describe a column.
const INDENT: &str = "    ";
/// The length of the longest value in a list of values.
const VALUE_WIDTH: usize = 40;

/// Prints the inspection of a table: its size, columns, first rows, labels, correlations and remarks.
pub fn print_inspection(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    print_overview(inspection, out)?;
    writeln!(out, "\n{}", heading("Columns"))?;
    for column in inspection.columns.iter().take(MAX_COLUMNS) {
        print_column(column, inspection.rows, out)?;
    }
    print_more(inspection.columns.len(), out)?;
    print_head(inspection, out)?;
    print_labels(&inspection.labels, inspection.rows, out)?;
    print_correlations(&inspection.correlations, inspection.rows, out)?;
    print_remarks(&inspection.remarks, out)
}

fn print_overview(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    let columns = inspection.columns.len() as u64;
    writeln!(
        out,
        "{}, {}",
        of_them(inspection.rows, "row", "rows"),
        of_them(columns, "column", "columns")
    )?;
    if let Some(hosts) = &inspection.hosts {
        let many = distinct(hosts.distinct);
        let noun = if hosts.distinct.count == 1 {
            "host"
        } else {
            "hosts"
        };
        writeln!(
            out,
            "{many} {noun}: {}",
            values(
                &hosts.top,
                inspection.rows,
                prose_width().saturating_sub(20)
            )
        )?;
    }
    if let Some(time) = &inspection.time {
        let name = printable(&time.column);
        writeln!(
            out,
            "{name} {} to {}",
            number(time.first),
            number(time.last)
        )?;
    }
    Ok(())
}

fn print_column(column: &ColumnSummary, rows: u64, out: &mut dyn Write) -> io::Result<()> {
    let nulls = match column.nulls {
        0 => String::new(),
        nulls => format!(", {} null ({})", count(nulls), percent_of(nulls, rows)),
    };
    writeln!(
        out,
        "{}  {}, {} distinct{nulls}",
        heading(&fitted(&column.name, VALUE_WIDTH)),
        printable(&column.data_type),
        distinct(column.distinct),
    )?;
    if let Some(figures) = &column.numeric {
        print_figures(figures, out)?;
    }
    let is_listed = column.numeric.is_none() || column.distinct.count <= 10;
    if is_listed && !column.top.is_empty() {
        let at_least = if column.top_missed > 0 {
            "at least "
        } else {
            ""
        };
        writeln!(
            out,
            "{INDENT}{at_least}{}",
            values(&column.top, rows, prose_width().saturating_sub(14))
        )?;
    }
    Ok(())
}

fn print_figures(figures: &NumericSummary, out: &mut dyn Write) -> io::Result<()> {
    let about = if figures.exact { "" } else { "about " };
    let [min, q1, median, q3, max, mean] = [
        figures.min,
        figures.q1,
        figures.median,
        figures.q3,
        figures.max,
        figures.mean,
    ]
    .map(number);
    let std = figures.std.map_or_else(|| "undefined".into(), number);
    let infinite = match figures.infinite {
        0 => String::new(),
        infinite => format!(", {} infinite", count(infinite)),
    };
    let range = format!("min {min}, quartiles {about}{q1} · {median} · {q3}, max {max}");
    let moments = format!("mean {mean}, std {std}{infinite}");
    for text in [range, moments] {
        for line in wrapped(&text, prose_width().saturating_sub(INDENT.len())) {
            writeln!(out, "{INDENT}{line}")?;
        }
    }
    if figures.min < figures.max {
        let bars = bars(&figures.histogram.counts);
        let [min, max] = [figures.min, figures.max].map(number);
        writeln!(out, "{INDENT}{min} ▕{bars}▏ {max}")?;
    }
    Ok(())
}

/// Returns the most frequent values with their shares, as many as fit in `width`.
fn values(top: &[ValueCount], rows: u64, width: usize) -> String {
    let mut text = String::new();
    for (index, value) in top.iter().enumerate() {
        let name = fitted(&shortened(&value.value), VALUE_WIDTH);
        let next = format!("{name} ({})", percent_of(value.count, rows));
        if index > 0
            && console::measure_text_width(&text) + console::measure_text_width(&next) + 3 > width
        {
            return text + ", …";
        }
        text = if index == 0 {
            next
        } else {
            format!("{text}, {next}")
        };
    }
    text
}

fn distinct(distinct: Distinct) -> String {
    let about = if distinct.exact { "" } else { "about " };
    format!("{about}{}", count(distinct.count))
}

fn print_more(columns: usize, out: &mut dyn Write) -> io::Result<()> {
    if columns > MAX_COLUMNS {
        let more = (columns - MAX_COLUMNS) as u64;
        writeln!(
            out,
            "… and {} more columns; --json has all of them",
            count(more)
        )?;
    }
    Ok(())
}

/// Prints the first rows side by side, with one line per column of the data.
fn print_head(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    const NAME: usize = 15;
    const CELL: usize = 11;
    let fitting = prose_width().saturating_sub(NAME) / (CELL + 2);
    let shown = inspection.head.len().min(fitting.max(1));
    let title = match shown < inspection.head.len() {
        true => format!("First rows, {shown} of {}", inspection.head.len()),
        false => "First rows".to_owned(),
    };
    writeln!(out, "\n{}", heading(&title))?;
    for column in inspection.columns.iter().take(MAX_COLUMNS) {
        let name = fitted(&column.name, NAME);
        let mut line = console::pad_str(&name, NAME, console::Alignment::Left, None).into_owned();
        for row in &inspection.head[..shown] {
            let cell = fitted(row.get(&column.name).unwrap_or("-"), CELL);
            line += "  ";
            line += &console::pad_str(&cell, CELL, console::Alignment::Left, None);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    print_more(inspection.columns.len(), out)
}

fn print_labels(labels: &LabelSummary, rows: u64, out: &mut dyn Write) -> io::Result<()> {
    if labels.counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", heading("Labels"))?;
    for label in &labels.counts {
        let counts = label.values.iter().map(|value| {
            let share = percent_of(value.count, rows);
            format!(
                "{} in {} ({share})",
                printable(&value.value),
                of_them(value.count, "row", "rows")
            )
        });
        let counts: Vec<_> = counts.collect();
        writeln!(out, "{}: {}", printable(&label.label), counts.join(", "))?;
    }
    let Some(cross) = &labels.cross else {
        return Ok(());
    };
    let mut second: Vec<&String> = cross.cells.iter().map(|cell| &cell.1).collect();
    let mut first: Vec<&String> = cross.cells.iter().map(|cell| &cell.0).collect();
    for values in [&mut first, &mut second] {
        values.sort_unstable();
        values.dedup();
    }
    let [rows_label, columns_label] = &cross.labels;
    let header: Vec<String> = second
        .iter()
        .map(|value| printable(&format!("{columns_label} = {value}")).into_owned())
        .collect();
    let header: Vec<&str> = [""]
        .into_iter()
        .chain(header.iter().map(String::as_str))
        .collect();
    let numbers = 1..header.len();
    let mut crossed = TextTable::new(header, numbers);
    for row in first {
        let cells = second.iter().map(|column| {
            let found = cross
                .cells
                .iter()
                .find(|cell| cell.0 == *row && cell.1 == **column);
            count(found.map_or(0, |cell| cell.2))
        });
        let name = printable(&format!("{rows_label} = {row}")).into_owned();
        crossed.add_row([name].into_iter().chain(cells));
    }
    writeln!(out, "{crossed}")
}

/// Prints the strongest correlations, those first that are certain to be strong. One from few rows is strong by chance.
fn print_correlations(
    correlations: &Correlations,
    rows: u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    let n = correlations.names.len();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let mut found: Vec<(f64, f64, usize, usize)> = pairs
        .filter_map(|(i, j)| Some((correlations.at_least(i, j), correlations.get(i, j)?, i, j)))
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    found.sort_by(|left, right| {
        let certain = right.0.total_cmp(&left.0);
        certain.then(right.1.abs().total_cmp(&left.1.abs()))
    });
    writeln!(out, "\n{} (Pearson's r)", heading("Strongest correlations"))?;
    for (_, r, i, j) in found.into_iter().take(STRONGEST) {
        let [first, second] = [i, j].map(|column| fitted(&correlations.names[column], 30));
        let shared = correlations.rows(i, j) as u64;
        let shared = match shared {
            shared if shared == rows => String::new(),
            shared => format!(", in {}", of_them(shared, "row", "rows")),
        };
        writeln!(out, "{r:>8.4}  {first} with {second}{shared}")?;
    }
    Ok(())
}

fn print_remarks(remarks: &[Remark], out: &mut dyn Write) -> io::Result<()> {
    if remarks.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", heading("What this means for a model"))?;
    for remark in remarks.iter().take(MAX_REMARKS) {
        let lines = wrapped(&printable(&remark.text), prose_width().saturating_sub(2));
        writeln!(out, "- {}", lines.join("\n  "))?;
    }
    if remarks.len() > MAX_REMARKS {
        let more = (remarks.len() - MAX_REMARKS) as u64;
        writeln!(out, "… and {} more; --json has all of them", count(more))?;
    }
    Ok(())
}

/// Prints the features that a recipe computes from data.
pub fn print_features(inspection: &FeatureInspection, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} {}: {} of {}, {}",
        recipe_of(inspection.of_model),
        printable(&inspection.recipe),
        of_them(inspection.features.len() as u64, "feature", "features"),
        of_them(inspection.events, "event", "events"),
        of_them(
            inspection.distinct_rows,
            "distinct row of inputs",
            "distinct rows of inputs"
        ),
    )?;
    if inspection.sampled {
        writeln!(
            out,
            "too many to keep: the figures are those of a sample of the distinct rows"
        )?;
    }
    writeln!(out, "\n{}", heading("Features"))?;
    for feature in inspection.features.iter().take(MAX_COLUMNS) {
        print_feature(feature, inspection.events, out)?;
    }
    print_more(inspection.features.len(), out)?;
    print_correlations(&inspection.correlations, inspection.events, out)
}

fn print_feature(feature: &FeatureSummary, events: u64, out: &mut dyn Write) -> io::Result<()> {
    let missing = match feature.missing {
        0.0 => String::new(),
        missing => format!(", missing in {}", percent(missing / events as f64)),
    };
    let name = heading(&fitted(&feature.name, VALUE_WIDTH));
    writeln!(out, "{name}  {} distinct{missing}", count(feature.distinct))?;
    if let Some(figures) = &feature.numeric {
        print_figures(figures, out)?;
    }
    if feature.numeric.is_none() || feature.distinct <= 10 {
        writeln!(
            out,
            "{INDENT}{}",
            values(&feature.top, events, prose_width().saturating_sub(14))
        )?;
    }
    Ok(())
}
