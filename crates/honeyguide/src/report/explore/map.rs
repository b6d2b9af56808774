//! A map of the distinct feature rows: rows that are alike lie side by side (UMAP; see [`crate::embed`]).

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::functions::string::expr_fn::concat_ws;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;
use learn::umap::UmapParams;
use plotly::common::{ColorScale, ColorScaleElement, Marker, Mode};
use plotly::{Layout, Scatter, Trace};

use super::Lens;
use super::columns::shown;
use crate::distil::distil;
use crate::embed::{Embedding, embed};
use crate::engine::Engine;
use crate::error::{ErrorKind, Result};
use crate::features::{Encoder, RowKey, row_key};
use crate::recipe::Recipe;
use crate::recipe::plan::FeaturePlan;
use crate::report::chart::{Chart, SERIES, axis, label, rounded};
use crate::report::places::columns_of;
use crate::scan::Scan;
use crate::scorer::Scores;
use crate::source::Source;
use crate::wording::{count, of_them, printable};

/// Most points that a page draws; of more distinct feature rows it shows a uniform sample.
pub const MAX_POINTS: usize = 3_000;
/// Most distinct feature rows that are placed for a page; `honeyguide embed` places more.
const MAX_ROWS: u64 = 50_000;
/// Features that are named of a row.
const NAMED_FEATURES: usize = 12;
/// Programs with a colour of their own.
const PROGRAMS: usize = 6;
/// How many of the most frequent rows are listed.
const LISTED: usize = 20;
/// Columns of an example of an event of which it is not known what identifies it.
const EXAMPLE_COLUMNS: usize = 7;
/// What joins the columns of an example.
const BETWEEN: &str = " · ";

/// The map, and what is known of each of its points.
pub struct Map {
    embedding: Embedding,
    points: Vec<Point>,
}

/// What is known of one distinct feature row besides its features.
#[derive(Debug, Clone, Default)]
struct Point {
    /// `None` where several programs have the row, or the data names none.
    process: Option<String>,
    has_several: bool,
    example: String,
    score: Option<f64>,
}

impl Map {
    /// Maps the distinct feature rows of `recipe`, or says why there is no map.
    ///
    /// # Errors
    /// The data cannot be read.
    pub async fn read(
        engine: &Engine,
        source: &mut Source,
        recipe: &Recipe,
        lens: Option<Lens<'_>>,
        distinct_rows: u64,
    ) -> Result<std::result::Result<Self, String>> {
        if distinct_rows > MAX_ROWS {
            return Ok(Err(format!(
                "There are {} distinct rows; a page maps at most {}. honeyguide embed places them all.",
                count(distinct_rows),
                count(MAX_ROWS)
            )));
        }
        let params = UmapParams::new();
        let mut embedding = match embed(engine, source, None, recipe, &params, 0).await {
            Ok(embedding) => embedding,
            Err(error) if matches!(error.kind(), ErrorKind::Usage | ErrorKind::Data) => {
                return Ok(Err(format!("There is no map: {}.", error.message())));
            }
            Err(error) => return Err(error),
        };
        embedding.sample(MAX_POINTS, 0);
        let points = points(engine, source, recipe, lens, &embedding).await?;
        Ok(Ok(Self { embedding, points }))
    }
}

impl Map {
    /// The map, coloured by each label, by program and, with a model, by score; the page shows one colouring at a time.
    pub fn chart(&self) -> Chart {
        let mut traces: Vec<Box<dyn Trace>> = Vec::new();
        for coloring in self.colorings() {
            for group in &coloring.groups {
                traces.push(self.trace(&coloring.name, group));
            }
        }
        if let Some(scored) = self.score_trace() {
            traces.push(scored);
        }
        let bare = || axis("").show_tick_labels(false).zero_line(false);
        let layout = Layout::new().x_axis(bare()).y_axis(bare());
        let alt = format!(
            "{} distinct feature rows{}; rows that are alike lie side by side, and only that means something, not the axes. A \
             larger point stands for more events.",
            count(self.points.len() as u64),
            self.drawn_of()
        );
        let mut chart = Chart::new("map", "Distinct feature rows", alt, layout, traces);
        chart.point_texts = Some((0..self.points.len()).map(|row| self.hover(row)).collect());
        chart
    }

    /// What the points can be coloured by.
    pub fn coloring_names(&self) -> Vec<String> {
        let names = self.colorings().into_iter().map(|coloring| coloring.name);
        let score = self.is_scored().then(|| "score".to_owned());
        names.chain(score).collect()
    }

    /// The most frequent rows: events, program, score, example, features.
    pub fn most_frequent(&self) -> Vec<[String; 5]> {
        let mut rows: Vec<usize> = (0..self.points.len()).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(self.embedding.counts[*row]));
        let text = |text: &str| printable(text).into_owned();
        let listed = rows.into_iter().take(LISTED).map(|row| {
            let point = &self.points[row];
            [
                count(self.embedding.counts[row]),
                text(point.program()),
                point
                    .score
                    .map_or_else(|| "–".into(), |score| format!("{score:.3}")),
                text(&point.example),
                self.features(row).join("; "),
            ]
        });
        listed.collect()
    }

    /// Of how many rows the points are a sample, if they are.
    fn drawn_of(&self) -> String {
        let all = self.embedding.distinct_rows;
        if all == self.points.len() as u64 {
            return String::new();
        }
        format!(", drawn at random of {} that were placed", count(all))
    }

    fn is_scored(&self) -> bool {
        self.points
            .first()
            .is_some_and(|point| point.score.is_some())
    }

    fn colorings(&self) -> Vec<Coloring> {
        let labels = self.embedding.labels.iter().enumerate();
        let labels = labels.map(|(index, name)| self.by_label(index, name));
        labels.chain(self.by_program()).collect()
    }

    fn by_label(&self, index: usize, name: &str) -> Coloring {
        let n_labels = self.embedding.labels.len();
        let mut groups = [("none", 0), ("some", 6), ("all", 1)].map(|(share, color)| Group {
            name: format!("{name} = 1 in {share} of its events"),
            color: SERIES[color],
            rows: Vec::new(),
        });
        for (row, events) in self.embedding.counts.iter().enumerate() {
            let labelled = self.embedding.labelled[row * n_labels + index];
            let group = usize::from(labelled > 0) + usize::from(labelled == *events);
            groups[group].rows.push(row);
        }
        Coloring {
            name: name.to_owned(),
            groups: groups.into_iter().filter(Group::has_rows).collect(),
        }
    }

    fn by_program(&self) -> Option<Coloring> {
        let mut events: BTreeMap<&str, u64> = BTreeMap::new();
        for (point, count) in self.points.iter().zip(&self.embedding.counts) {
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
            rows: Vec::new(),
        });
        let mut groups: Vec<Group> = groups.collect();
        for (row, point) in self.points.iter().enumerate() {
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

    fn trace(&self, coloring: &str, group: &Group) -> Box<dyn Trace> {
        let marker = self.marker(&group.rows).color(group.color);
        self.scatter(coloring, &group.rows)
            .name(label(&group.name))
            .marker(marker)
    }

    fn score_trace(&self) -> Option<Box<dyn Trace>> {
        let scores = self.points.iter().map(|point| point.score.map(rounded));
        let scores: Vec<f64> = scores.collect::<Option<_>>()?;
        let rows: Vec<usize> = (0..self.points.len()).collect();
        let stops = [(0.0, "--series-1"), (1.0, "--series-2")];
        let stops = stops.map(|(at, color)| ColorScaleElement(at, color.to_owned()));
        let marker = self
            .marker(&rows)
            .color_array(scores)
            .color_scale(ColorScale::Vector(stops.to_vec()))
            .show_scale(true);
        Some(
            self.scatter("score", &rows)
                .name("score")
                .show_legend(false)
                .marker(marker),
        )
    }

    fn scatter(&self, coloring: &str, rows: &[usize]) -> Box<Scatter<f64, f64>> {
        let place = |axis: usize| {
            let at = rows
                .iter()
                .map(|row| self.embedding.coordinates[row * 2 + axis]);
            at.map(|at| (f64::from(at) * 1e3).round() / 1e3).collect()
        };
        Scatter::new(place(0), place(1))
            .mode(Mode::Markers)
            .meta(coloring)
            .custom_data(rows.to_vec())
            .hover_template("%{hovertext}<extra></extra>")
    }

    fn marker(&self, rows: &[usize]) -> Marker {
        let size = |row: &usize| 5 + 2 * self.embedding.counts[*row].max(1).ilog10() as usize;
        Marker::new()
            .size_array(rows.iter().map(size).collect())
            .opacity(0.75)
    }

    fn features(&self, row: usize) -> Vec<String> {
        let n_features = self.embedding.features.len();
        let values = &self.embedding.values[row * n_features..][..n_features];
        let named = self
            .embedding
            .features
            .iter()
            .zip(values)
            .take(NAMED_FEATURES);
        named
            .map(|(name, value)| format!("{} {}", printable(name), shown(*value)))
            .collect()
    }

    fn hover(&self, row: usize) -> String {
        let point = &self.points[row];
        let events = of_them(self.embedding.counts[row], "event", "events");
        let score = point.score.map(|score| format!("score {score:.3}"));
        let example = format!("for example {}", point.example);
        let lines = [events, point.program().to_owned()]
            .into_iter()
            .chain(score)
            .chain([example]);
        let lines: Vec<String> = lines
            .chain(self.features(row))
            .map(|line| label(&line))
            .collect();
        lines.join("<br>")
    }
}

/// Points in groups that have a colour each.
struct Coloring {
    name: String,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    color: &'static str,
    /// Positions of the points.
    rows: Vec<usize>,
}

impl Group {
    fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }
}

impl Point {
    fn program(&self) -> &str {
        match (&self.process, self.has_several) {
            (Some(process), _) => process,
            (None, true) => "several programs",
            (None, false) => "–",
        }
    }
}

/// What is known of each row of `embedding`.
async fn points(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    lens: Option<Lens<'_>>,
    embedding: &Embedding,
) -> Result<Vec<Point>> {
    let plan = recipe.plan(engine, source)?;
    let distilled = distil(engine, source, recipe, &plan, None, 0).await?;
    let encoder = Encoder::new(recipe, &Encoder::fit(recipe, &distilled)?)?;
    let n_features = embedding.features.len();
    let rows = embedding.values.chunks(n_features).enumerate();
    let positions: HashMap<RowKey, usize> =
        rows.map(|(row, values)| (row_key(values), row)).collect();
    let described = Described::of(source);
    let scan = Scan::new(engine, "describing rows")
        .columns(columns_of([&described.process, &described.example]))
        .features(recipe, &plan);
    let start = || Ok(vec![Point::default(); positions.len()]);
    let query = |table| described.query(table, &plan);
    let describe = |points: &mut Vec<Point>, batch: &RecordBatch| {
        let rows = encoder.encode(batch.columns())?;
        let scores = match lens {
            Some(Lens::Model(model)) => Some(Scores::of_inputs(model, batch.columns().to_vec())?),
            _ => None,
        };
        for (index, row) in rows.chunks(n_features).enumerate() {
            if let Some(position) = positions.get(&row_key(row)) {
                let score = scores.as_ref().map(|scores| scores.values()[index]);
                points[*position].add(batch, index, score);
            }
        }
        Ok(())
    };
    scan.fold(source, start, query, describe).await
}

/// What is asked of the events of each distinct row.
struct Described {
    process: Expr,
    /// The columns that say which event it is, as one text: the least of them is an event that exists.
    example: Expr,
}

impl Described {
    fn of(source: &Source) -> Self {
        let text = |column: &str| cast(ident(column), DataType::Utf8);
        let names: Vec<&str> = source
            .columns()
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let shown = source.log().shown(&names, EXAMPLE_COLUMNS);
        let columns: Vec<Expr> = shown.into_iter().map(text).collect();
        let program = source
            .log()
            .program()
            .filter(|program| source.has_column(program));
        let process = match program {
            Some(program) => text(program),
            None => cast(lit(datafusion::common::ScalarValue::Null), DataType::Utf8),
        };
        Self {
            process,
            example: concat_ws(lit(BETWEEN), columns),
        }
    }

    /// The inputs, then the first and last program and the least example of each distinct row.
    fn query(&self, table: DataFrame, plan: &FeaturePlan) -> EngineResult<DataFrame> {
        let [process, example] = ["__process", "__example"];
        let beside = [
            self.process.clone().alias(process),
            self.example.clone().alias(example),
        ];
        table
            .select(
                plan.inputs
                    .iter()
                    .cloned()
                    .chain(beside)
                    .collect::<Vec<_>>(),
            )?
            .aggregate(
                plan.names.iter().map(ident).collect(),
                vec![
                    min(ident(process)).alias("__first_process"),
                    max(ident(process)).alias("__last_process"),
                    min(ident(example)).alias("__least_example"),
                ],
            )
    }
}

impl Point {
    /// Takes in what a row of [`Described::query`] says; rows of inputs can share their features.
    fn add(&mut self, batch: &RecordBatch, row: usize, score: Option<f64>) {
        let n = batch.num_columns();
        let text = |column: usize| {
            let texts = batch.column(column).as_string::<i32>();
            texts.is_valid(row).then(|| texts.value(row).to_owned())
        };
        let (first, last, example) = (text(n - 3), text(n - 2), text(n - 1).unwrap_or_default());
        let is_new = self.example.is_empty();
        let differs = !is_new && first != self.process;
        self.has_several |= first != last || differs;
        self.process = first.filter(|_| !self.has_several);
        if is_new || example < self.example {
            self.example = example;
        }
        self.score = score;
    }
}
