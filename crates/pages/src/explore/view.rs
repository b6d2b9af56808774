//! The contents of the exploration's template: every figure in words.

use askama::Template;
use honeyguide::inspect::{
    ColumnSummary, Correlations, Distinct, FeatureSummary, LabelCross, NumericSummary, ValueCount,
};
use honeyguide::report::{Exploration, Map};
use honeyguide::wording::{count, number, of_them, percent_of, printable, shortened};
use honeyguide::{Kind, Result, Source};

use super::correlations::{reasons, strongest};
use super::{MAX_CHARTS, correlations_of, map, programs};
use crate::chart::{Chart, clip, cut};
use crate::page::{Frame, Page};
use crate::words::{no_programs, no_time, what_and_when};

/// The number of columns in the table of first rows.
const HEAD_COLUMNS: usize = 24;
/// The number of characters of a cell in that table.
const CELL: usize = 36;
/// The number of values that are named in the table of columns.
const NAMED_VALUES: usize = 3;

#[derive(Template)]
#[template(path = "explore.html")]
struct ExplorePage<'a> {
    frame: Frame,
    charts: &'a [Chart],
    simulated: bool,
    lead: String,
    tiles: Vec<(String, String)>,
    remarks: Vec<String>,
    labels: Vec<[String; 4]>,
    /// The views of the charts of columns and features, with whether one is shown first; empty without labels.
    views: Vec<(String, bool)>,
    cross: Option<CrossTable>,
    head: HeadTable,
    columns: Vec<ColumnView>,
    column_charts: Vec<&'a Chart>,
    charts_missed: usize,
    correlations: CorrelationView,
    features: Option<FeatureView<'a>>,
    programs: Vec<[String; 3]>,
    map: Option<MapView>,
    /// What the data lacks, where there is no timeline.
    no_timeline: Option<String>,
    /// What the data lacks, where programs are not counted.
    no_programs: Option<String>,
    facts: Vec<(&'static str, String)>,
}

struct HeadTable {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    missed: usize,
}

/// The events by the values of two labels.
struct CrossTable {
    corner: String,
    header: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

/// The table row of a column or feature.
struct ColumnView {
    name: String,
    data_type: String,
    nulls: String,
    distinct: String,
    /// Minimum, quartiles with the median, maximum, mean and standard deviation; empty for text.
    numbers: Vec<String>,
    top: String,
}

struct CorrelationView {
    strongest: Vec<[String; 4]>,
    reasons: Vec<String>,
}

struct FeatureView<'a> {
    recipe: String,
    /// Whether the features are those of a model.
    of_model: bool,
    summary: String,
    rows: Vec<ColumnView>,
    charts: Vec<&'a Chart>,
    charts_missed: usize,
    correlations: CorrelationView,
}

struct MapView {
    why_none: String,
    colorings: Vec<String>,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl MapView {
    fn new(map: &std::result::Result<Map, String>) -> Self {
        match map {
            Ok(map) => Self {
                why_none: String::new(),
                colorings: map::coloring_names(map),
                header: map::header(map),
                rows: map::most_frequent(map),
            },
            Err(why) => Self {
                why_none: printable(why).into_owned(),
                colorings: Vec::new(),
                header: Vec::new(),
                rows: Vec::new(),
            },
        }
    }
}

/// Makes the page of an exploration and its charts.
pub fn page(
    exploration: &Exploration,
    charts: &[Chart],
    source: &Source,
    command: &str,
) -> Result<Page> {
    let inspection = &exploration.inspection;
    let columns = &inspection.columns;
    let template = ExplorePage {
        frame: Frame::new::<()>(charts, None)?,
        charts,
        simulated: source.is_simulated(),
        lead: lead(exploration),
        tiles: tiles(exploration),
        remarks: inspection
            .remarks
            .iter()
            .map(|remark| printable(&remark.text).into_owned())
            .collect(),
        labels: labels(exploration),
        views: views(exploration),
        cross: inspection.labels.cross.as_ref().map(CrossTable::new),
        head: HeadTable::new(exploration),
        columns: columns
            .iter()
            .map(|column| ColumnView::of_column(column, inspection.rows))
            .collect(),
        column_charts: with_prefix(charts, "column-"),
        charts_missed: columns.len().saturating_sub(MAX_CHARTS),
        correlations: CorrelationView::new(&inspection.correlations),
        features: FeatureView::new(exploration, charts),
        programs: exploration
            .programs
            .as_ref()
            .map_or_else(Vec::new, programs::most_frequent),
        map: exploration
            .features
            .as_ref()
            .map(|found| MapView::new(&found.map)),
        no_timeline: (exploration.timeline.is_none()).then(|| no_time(source.log())),
        no_programs: (exploration.programs.is_none()).then(|| no_programs(source.log())),
        facts: facts(source, command),
    };
    Page::render(&template)
}

impl ExplorePage<'_> {
    /// Returns the chart called `id`, where the data has one.
    fn chart(&self, id: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.id == id)
    }
}

fn with_prefix<'a>(charts: &'a [Chart], prefix: &str) -> Vec<&'a Chart> {
    charts
        .iter()
        .filter(|chart| chart.id.starts_with(prefix))
        .collect()
}

fn lead(exploration: &Exploration) -> String {
    let columns = exploration.inspection.columns.len();
    format!(
        "{}, in {}.",
        what_and_when(&exploration.places),
        of_them(columns as u64, "column", "columns")
    )
}

fn tiles(exploration: &Exploration) -> Vec<(String, String)> {
    let mut tiles = vec![
        ("Events".to_owned(), count(exploration.inspection.rows)),
        (
            "Columns".to_owned(),
            count(exploration.inspection.columns.len() as u64),
        ),
    ];
    tiles.extend(
        exploration
            .places
            .n_hosts
            .map(|hosts| ("Hosts".to_owned(), count(hosts))),
    );
    if let Some(features) = &exploration.features {
        tiles.push((
            format!(
                "Distinct rows of recipe {}",
                printable(&features.inspection.recipe)
            ),
            count(features.inspection.distinct_rows),
        ));
    }
    tiles
}

/// Lists the values of the labels with their events: those of the data's log, then others by which events are counted.
fn labels(exploration: &Exploration) -> Vec<[String; 4]> {
    let rows = exploration.inspection.rows;
    let row = |label: &str, value: &str, events: u64| {
        let share = percent_of(events, rows);
        [text(label), text(value), count(events), share]
    };
    let own = &exploration.inspection.labels.counts;
    let known = own.iter().flat_map(|label| {
        let values = label.values.iter();
        values.map(|value| row(&label.label, &value.value, value.count))
    });
    let is_known = |name: &String| own.iter().any(|label| label.label == *name);
    let others = exploration.labels.iter().filter(|name| !is_known(name));
    let others = others.flat_map(|name| {
        let ones = ones(exploration, name);
        [("0", rows - ones), ("1", ones)].map(|(value, events)| row(name, value, events))
    });
    known.chain(others).collect()
}

/// Counts the events with 1 in a label.
fn ones(exploration: &Exploration, name: &str) -> u64 {
    let position = exploration.labels.iter().position(|label| label == name);
    exploration
        .ones
        .get(position.unwrap_or(usize::MAX))
        .copied()
        .unwrap_or(0)
}

/// Names the views of the charts of columns and features. The first label that tells events apart is shown first.
fn views(exploration: &Exploration) -> Vec<(String, bool)> {
    if exploration.labels.is_empty() {
        return Vec::new();
    }
    let rows = exploration.inspection.rows;
    let parts = |name: &String| (1..rows).contains(&ones(exploration, name));
    let first = exploration.labels.iter().position(parts);
    let all = ("no label".to_owned(), first.is_none());
    let labels = exploration.labels.iter().enumerate();
    let labels = labels.map(|(index, name)| (text(name), first == Some(index)));
    [all].into_iter().chain(labels).collect()
}

fn text(value: &str) -> String {
    printable(&clip(value)).into_owned()
}

/// Returns the beginning of a value, for a table with many columns.
fn short(value: &str) -> String {
    printable(&cut(value, CELL)).into_owned()
}

impl CrossTable {
    fn new(cross: &LabelCross) -> Self {
        let values = |of: fn(&(String, String, u64)) -> &String| {
            let mut values: Vec<&String> = cross.cells.iter().map(of).collect();
            values.sort();
            values.dedup();
            values
        };
        let (rows, columns) = (values(|cell| &cell.0), values(|cell| &cell.1));
        let events = |row: &str, column: &str| {
            let cell = cross
                .cells
                .iter()
                .find(|cell| cell.0 == row && cell.1 == column);
            count(cell.map_or(0, |cell| cell.2))
        };
        let [first, second] = &cross.labels;
        let named = |label: &str, value: &str| format!("{} = {}", text(label), text(value));
        Self {
            corner: format!("{} and {}", text(first), text(second)),
            header: columns.iter().map(|value| named(second, value)).collect(),
            rows: rows
                .iter()
                .map(|row| {
                    let cells = columns.iter().map(|column| events(row, column));
                    (named(first, row), cells.collect())
                })
                .collect(),
        }
    }
}

impl HeadTable {
    fn new(exploration: &Exploration) -> Self {
        let columns = &exploration.inspection.columns;
        let rows = exploration.inspection.head.iter().map(|row| {
            let cells = row.iter().take(HEAD_COLUMNS);
            cells
                .map(|(_, value)| short(value.unwrap_or("–")))
                .collect()
        });
        Self {
            names: columns
                .iter()
                .take(HEAD_COLUMNS)
                .map(|column| text(&column.name))
                .collect(),
            rows: rows.collect(),
            missed: columns.len().saturating_sub(HEAD_COLUMNS),
        }
    }
}

impl ColumnView {
    fn of_column(column: &ColumnSummary, rows: u64) -> Self {
        Self {
            name: text(&column.name),
            data_type: column.data_type.clone(),
            nulls: match column.nulls {
                0 => "0".into(),
                nulls => format!("{} ({})", count(nulls), percent_of(nulls, rows)),
            },
            distinct: distinct(column.distinct),
            numbers: column.numeric.as_ref().map_or_else(Vec::new, numbers),
            top: top(&column.top, column.numeric.is_some()),
        }
    }

    fn of_feature(feature: &FeatureSummary) -> Self {
        Self {
            name: text(&feature.name),
            data_type: match feature.kind {
                Kind::Numeric => "numeric".into(),
                Kind::Categorical => "categorical".into(),
            },
            nulls: number(feature.missing),
            distinct: count(feature.distinct),
            numbers: feature.numeric.as_ref().map_or_else(Vec::new, numbers),
            top: top(&feature.top, false),
        }
    }
}

fn distinct(distinct: Distinct) -> String {
    let about = if distinct.exact { "" } else { "about " };
    format!("{about}{}", count(distinct.count))
}

fn numbers(numeric: &NumericSummary) -> Vec<String> {
    let NumericSummary {
        min,
        q1,
        median,
        q3,
        max,
        mean,
        ..
    } = *numeric;
    let figures = [min, q1, median, q3, max, mean].map(number);
    let std = numeric.std.map_or_else(|| "undefined".into(), number);
    figures.into_iter().chain([std]).collect()
}

/// Lists the most frequent values. Those of a numeric column say little and are left out.
fn top(values: &[ValueCount], is_number: bool) -> String {
    if is_number {
        return String::new();
    }
    let named = values.iter().take(NAMED_VALUES);
    let named = named.map(|value| {
        format!(
            "{} ({})",
            short(&shortened(&value.value)),
            count(value.count)
        )
    });
    named.collect::<Vec<_>>().join(", ")
}

impl CorrelationView {
    fn new(correlations: &Correlations) -> Self {
        Self {
            strongest: strongest(correlations),
            reasons: reasons(correlations),
        }
    }
}

impl<'a> FeatureView<'a> {
    fn new(exploration: &Exploration, charts: &'a [Chart]) -> Option<Self> {
        let found = &exploration.features.as_ref()?.inspection;
        let sampled = match found.sampled {
            true => "; too many to keep, so that these figures come from a sample of them",
            false => "",
        };
        Some(Self {
            recipe: text(&found.recipe),
            of_model: found.of_model,
            summary: format!(
                "{} become {}{sampled}.",
                of_them(found.events, "event", "events"),
                of_them(found.distinct_rows, "distinct row", "distinct rows"),
            ),
            rows: found.features.iter().map(ColumnView::of_feature).collect(),
            charts: with_prefix(charts, "feature-")
                .into_iter()
                .filter(|chart| chart.id != "feature-correlations")
                .collect(),
            charts_missed: found.features.len().saturating_sub(MAX_CHARTS),
            correlations: CorrelationView::new(correlations_of(exploration.features.as_ref()?)),
        })
    }
}

fn facts(source: &Source, command: &str) -> Vec<(&'static str, String)> {
    let files = source.files().map(|file| {
        let path = file.path.display().to_string();
        format!("{} ({} bytes)", printable(&path), count(file.bytes))
    });
    vec![
        ("Command", printable(command).into_owned()),
        ("Files", files.collect::<Vec<_>>().join("; ")),
        ("honeyguide", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}
