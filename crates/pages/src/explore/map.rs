//! The chart of the distinct feature rows.

use std::collections::BTreeMap;

use honeyguide::report::{Map, MapPoint};
use honeyguide::wording::{count, number, of_them, printable};
use plotly::common::{ColorScale, ColorScaleElement, Marker, MarkerSymbol, Mode};
use plotly::{Layout, Scatter, Trace};

use crate::axes::axis;
use crate::chart::{Chart, SERIES, clip, label, rounded};

/// The number of features that are named of a row.
const NAMED_FEATURES: usize = 12;
/// The number of programs with a colour of their own.
const PROGRAMS: usize = 6;
/// The diameter of the point of one event, and its growth with every tenfold number of events, in pixels.
const SIZE: [f64; 2] = [6.0, 4.0];
/// The number of most frequent rows that are listed.
const LISTED: usize = 20;

/// Draws the map, coloured by each label, by program and, with a model, by score. The page shows one colouring at a
/// time.
pub fn chart(map: &Map) -> Chart {
    let mut traces: Vec<Box<dyn Trace>> = Vec::new();
    let mut views = Vec::new();
    let colorings = colorings(map);
    for (view, coloring) in colorings.iter().enumerate() {
        for group in &coloring.groups {
            traces.push(trace(map, group));
            views.push(view);
        }
    }
    if let Some(scored) = score_trace(map) {
        traces.push(scored);
        views.push(colorings.len());
    }
    let bare = || axis("").show_tick_labels(false).zero_line(false);
    let layout = Layout::new().x_axis(bare()).y_axis(bare());
    let counts = &map.embedding.counts;
    let sizes = match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least < most => format!(
            " The more events have a row, the larger is its point: the smallest stands for {}, the largest for {}.",
            of_them(*least, "event", "events"),
            of_them(*most, "event", "events")
        ),
        _ => String::new(),
    };
    let alt = format!(
        "{} distinct feature rows{}; rows that are alike lie side by side, and only that means something, not the axes.{sizes}",
        count(map.points.len() as u64),
        drawn_of(map)
    );
    let mut chart = Chart::new("map", "Distinct feature rows", alt, layout, traces);
    chart.choice = Some("map");
    chart.views = Some(views);
    chart.point_texts = Some((0..map.points.len()).map(|row| hover(map, row)).collect());
    chart
}

/// Returns the names of the colourings.
pub fn coloring_names(map: &Map) -> Vec<String> {
    let names = colorings(map).into_iter().map(|coloring| coloring.name);
    let score = is_scored(map).then(|| "score".to_owned());
    names.chain(score).collect()
}

/// The names of the columns of [`most_frequent`].
pub fn header(map: &Map) -> Vec<String> {
    let ones = map.embedding.labels.iter();
    let ones = ones.map(|name| format!("{} = 1", printable(&clip(name))));
    let names = ["program", "score", "an event", "features"].map(str::to_owned);
    ["events".to_owned()]
        .into_iter()
        .chain(ones)
        .chain(names)
        .collect()
}

/// Lists the most frequent rows: events, those labelled 1, program, score, example, features.
pub fn most_frequent(map: &Map) -> Vec<Vec<String>> {
    let n_labels = map.embedding.labels.len();
    let mut rows: Vec<usize> = (0..map.points.len()).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(map.embedding.counts[*row]));
    let text = |text: &str| printable(text).into_owned();
    let listed = rows.into_iter().take(LISTED).map(|row| {
        let point = &map.points[row];
        let labelled = &map.embedding.labelled[row * n_labels..][..n_labels];
        let score = point.score.map(|score| format!("{score:.3}"));
        [count(map.embedding.counts[row])]
            .into_iter()
            .chain(labelled.iter().map(|events| count(*events)))
            .chain([
                text(program(point)),
                score.unwrap_or_else(|| "–".into()),
                text(&point.example),
                features(map, row).join("; "),
            ])
            .collect()
    });
    listed.collect()
}

/// Writes that the points are a sample, and of how many rows. Returns an empty text if they are all rows.
fn drawn_of(map: &Map) -> String {
    let all = map.embedding.distinct_rows;
    if all == map.points.len() as u64 {
        return String::new();
    }
    format!(", drawn at random of {} that were placed", count(all))
}

fn is_scored(map: &Map) -> bool {
    map.points
        .first()
        .is_some_and(|point| point.score.is_some())
}

fn colorings(map: &Map) -> Vec<Coloring> {
    let labels = map.embedding.labels.iter().enumerate();
    let labels = labels.map(|(index, name)| by_label(map, index, name));
    labels.chain(by_program(map)).collect()
}

fn by_label(map: &Map, index: usize, name: &str) -> Coloring {
    let n_labels = map.embedding.labels.len();
    let shares = [
        ("none", 0, MarkerSymbol::Circle),
        ("some", 6, MarkerSymbol::Square),
        ("all", 1, MarkerSymbol::Diamond),
    ];
    let mut groups = shares.map(|(share, color, symbol)| Group {
        name: format!("{name} = 1 in {share} of its events"),
        color: SERIES[color],
        symbol,
        rows: Vec::new(),
    });
    for (row, events) in map.embedding.counts.iter().enumerate() {
        let labelled = map.embedding.labelled[row * n_labels + index];
        let group = usize::from(labelled > 0) + usize::from(labelled == *events);
        groups[group].rows.push(row);
    }
    Coloring {
        name: name.to_owned(),
        groups: groups.into_iter().filter(Group::has_rows).collect(),
    }
}

fn by_program(map: &Map) -> Option<Coloring> {
    let mut events: BTreeMap<&str, u64> = BTreeMap::new();
    for (point, count) in map.points.iter().zip(&map.embedding.counts) {
        if let Some(process) = &point.process {
            *events.entry(process).or_default() += count;
        }
    }
    let mut frequent: Vec<(&str, u64)> = events.into_iter().collect();
    frequent.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    frequent.truncate(PROGRAMS);
    let names = frequent.iter().map(|(name, _)| *name);
    let groups = names.chain(["others, or several"]).zip(SERIES);
    let groups = groups.map(|(name, color)| Group {
        name: name.to_owned(),
        color,
        symbol: MarkerSymbol::Circle,
        rows: Vec::new(),
    });
    let mut groups: Vec<Group> = groups.collect();
    for (row, point) in map.points.iter().enumerate() {
        let own = |(name, _): &(&str, u64)| point.process.as_deref() == Some(*name);
        let group = frequent.iter().position(own).unwrap_or(frequent.len());
        groups[group].rows.push(row);
    }
    groups.retain(Group::has_rows);
    (!frequent.is_empty()).then(|| Coloring {
        name: "program".into(),
        groups,
    })
}

fn trace(map: &Map, group: &Group) -> Box<dyn Trace> {
    let marker = marker(map, &group.rows)
        .color(group.color)
        .symbol(group.symbol.clone());
    scatter(map, &group.rows)
        .name(label(&group.name))
        .marker(marker)
}

fn score_trace(map: &Map) -> Option<Box<dyn Trace>> {
    let scores = map.points.iter().map(|point| point.score.map(rounded));
    let scores: Vec<f64> = scores.collect::<Option<_>>()?;
    let rows: Vec<usize> = (0..map.points.len()).collect();
    let stops = [(0.0, "--series-1"), (1.0, "--series-2")];
    let stops = stops.map(|(at, color)| ColorScaleElement(at, color.to_owned()));
    let marker = marker(map, &rows)
        .color_array(scores)
        .color_scale(ColorScale::Vector(stops.to_vec()))
        .show_scale(true);
    Some(
        scatter(map, &rows)
            .name("score")
            .show_legend(false)
            .marker(marker),
    )
}

fn scatter(map: &Map, rows: &[usize]) -> Box<Scatter<f64, f64>> {
    let place = |axis: usize| {
        let at = rows
            .iter()
            .map(|row| map.embedding.coordinates[row * 2 + axis]);
        at.map(|at| (f64::from(at) * 1e3).round() / 1e3).collect()
    };
    Scatter::new(place(0), place(1))
        .mode(Mode::Markers)
        .custom_data(rows.to_vec())
        .hover_template("%{hovertext}<extra></extra>")
}

fn marker(map: &Map, rows: &[usize]) -> Marker {
    let size = |row: &usize| {
        let events = map.embedding.counts[*row].max(1) as f64;
        (SIZE[0] + SIZE[1] * events.log10()).round() as usize
    };
    Marker::new()
        .size_array(rows.iter().map(size).collect())
        .opacity(0.75)
}

fn features(map: &Map, row: usize) -> Vec<String> {
    let n_features = map.embedding.features.len();
    let values = &map.embedding.values[row * n_features..][..n_features];
    let named = map
        .embedding
        .features
        .iter()
        .zip(values)
        .take(NAMED_FEATURES);
    named
        .map(|(name, value)| format!("{} {}", printable(name), number(*value)))
        .collect()
}

fn hover(map: &Map, row: usize) -> String {
    let point = &map.points[row];
    let events = of_them(map.embedding.counts[row], "event", "events");
    let score = point.score.map(|score| format!("score {score:.3}"));
    let example = format!("for example {}", point.example);
    let lines = [events, program(point).to_owned()]
        .into_iter()
        .chain(score)
        .chain([example]);
    let lines: Vec<String> = lines
        .chain(features(map, row))
        .map(|line| label(&line))
        .collect();
    lines.join("<br>")
}

/// A way to colour the points: groups with a colour each.
struct Coloring {
    name: String,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    color: &'static str,
    symbol: MarkerSymbol,
    /// The positions of the group's points.
    rows: Vec<usize>,
}

impl Group {
    fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }
}

/// Returns the name of the program whose events have a row.
fn program(point: &MapPoint) -> &str {
    match (&point.process, point.has_several) {
        (Some(process), _) => process,
        (None, true) => "several programs",
        (None, false) => "–",
    }
}
