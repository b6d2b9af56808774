//! Drift on a terminal.

use std::io::{self, Write};

use honeyguide::drift::{Closeness, Drift, FeatureDrift, PSI_FAR, PSI_SOME};

use super::screen::prose_width;
use super::{
    TextTable, count, fitted, heading, number, of_them, percent, percent_of, printable, shortened,
    wrapped,
};

/// The number of features that are shown, those with the greatest shift.
const MAX_FEATURES: usize = 40;
/// The number of unseen values that are shown of a feature.
const UNSEEN: usize = 5;

/// Prints the verdict, the scores, the features and the values that training never saw.
pub fn print_drift(drift: &Drift, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{}",
        wrapped(&printable(&drift.verdict), prose_width()).join("\n")
    )?;
    writeln!(
        out,
        "\n{} held against {}, recipe {}",
        of_them(drift.events, "event", "events"),
        of_them(drift.training_events, "training event", "training events"),
        printable(&drift.recipe)
    )?;
    print_scores(drift, out)?;
    let mut features: Vec<&FeatureDrift> = drift.features.iter().collect();
    features.sort_by(|left, right| right.psi.total_cmp(&left.psi));
    let mut table = TextTable::new(
        ["feature", "PSI", "by chance", "", "unseen values"],
        [1, 2, 4],
    );
    for feature in features.iter().take(MAX_FEATURES) {
        table.add_row([
            fitted(&feature.name, 30),
            format!("{:.3}", feature.psi),
            format!("{:.3}", feature.psi_by_chance),
            shift(feature.closeness).to_owned(),
            percent_of(feature.unseen.events, drift.events),
        ]);
    }
    writeln!(out, "\n{table}")?;
    let meaning = format!(
        "PSI: population stability index, and what chance alone makes of so many events. A feature has shifted if the \
         difference has a probability of at most {} by chance, and the rest of the index is {PSI_SOME} or more; far from \
         {PSI_FAR} on. The last column is the share of the events with values that training never saw.",
        number(two_digits(drift.significance))
    );
    writeln!(out, "{}", wrapped(&meaning, prose_width()).join("\n"))?;
    print_unseen(&features, out)
}

/// Rounds a number to two digits.
fn two_digits(value: f64) -> f64 {
    let rounded = format!("{value:.1e}").parse();
    rounded.unwrap_or(value)
}

fn shift(closeness: Closeness) -> &'static str {
    match closeness {
        Closeness::Close => "",
        Closeness::SomeWay => "shifted",
        Closeness::Far => "shifted far",
    }
}

fn print_scores(drift: &Drift, out: &mut dyn Write) -> io::Result<()> {
    let scores = &drift.scores;
    let mut table = TextTable::new(["scores", "training", "now"], 1..3);
    for quantile in &scores.quantiles {
        let name = match quantile.q {
            0.5 => "median".to_owned(),
            1.0 => "highest".to_owned(),
            q => format!("quantile {q}"),
        };
        table.add_row([
            name,
            format!("{:.4}", quantile.training),
            format!("{:.4}", quantile.now),
        ]);
    }
    table.add_row([
        format!("above {:.4}, the threshold", drift.threshold.value),
        percent(scores.expected_above_threshold),
        percent(scores.above_threshold),
    ]);
    writeln!(out, "\n{table}")?;
    writeln!(
        out,
        "PSI of the scores {:.3} ({:.3} by chance), Kolmogorov–Smirnov distance {:.3}{}",
        scores.psi,
        scores.psi_by_chance,
        scores.kolmogorov_smirnov,
        match scores.closeness {
            Closeness::Close => String::new(),
            shifted => format!(": {}", shift(shifted)),
        }
    )
}

fn print_unseen(features: &[&FeatureDrift], out: &mut dyn Write) -> io::Result<()> {
    let with_unseen = features.iter().filter(|feature| feature.unseen.events > 0);
    let with_unseen: Vec<_> = with_unseen.take(MAX_FEATURES).collect();
    if with_unseen.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", heading("Never seen in training"))?;
    for feature in with_unseen {
        writeln!(out, "{}", fitted(&feature.name, prose_width()))?;
        for value in feature.unseen.values.iter().take(UNSEEN) {
            let events = count(value.count);
            writeln!(
                out,
                "  {events:>11}  {}",
                fitted(&shortened(&value.value), prose_width().saturating_sub(15))
            )?;
        }
    }
    Ok(())
}
