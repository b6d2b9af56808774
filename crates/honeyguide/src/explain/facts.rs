//! Facts about an event's values: how they compare with those of the training events, in words.

use super::ExplainedEvent;
use crate::features::Sighting;
use crate::model::{Distribution, FeatureProfile, ValueRange};
use crate::recipe::Feature;
use crate::recipe::columns::column_of_expression;
use crate::recipe::layout::Input;
use crate::wording::{percent, plain_number, shortened};

/// A fact about a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact {
    pub text: String,
    /// The share of the training events that have the value, where the fact states one of the event's own value.
    pub share: Option<f64>,
}

impl Fact {
    /// Returns a fact that states no share.
    pub fn plain(text: String) -> Self {
        Self { text, share: None }
    }

    /// Returns a fact about a value that `count` of `of` training events have.
    fn shared(text: String, count: f64, of: f64) -> Self {
        let share = Some(count / of).filter(|share| share.is_finite());
        Self { text, share }
    }
}

/// The value of a numeric feature, and how it is written.
pub(super) struct ShownValue {
    value: Option<f64>,
    /// The feature's own value with its name. Where the expression is more than a column, the values of its columns
    /// follow, since they are in other units.
    pub own: String,
    /// The columns and their values alone.
    columns: String,
    /// Whether the value is that of a column of true and false.
    is_flag: bool,
}

impl ShownValue {
    pub fn new(
        feature: &Feature,
        input: &Input,
        event: &ExplainedEvent,
        value: Option<f64>,
    ) -> Self {
        let named = event
            .columns
            .iter()
            .filter(|(name, _)| input.columns.contains(name));
        let columns: Vec<&(String, Option<String>)> = named.collect();
        let is_column = column_of_expression(&input.sql).is_some();
        let is_flag = is_column
            && columns
                .iter()
                .any(|(_, text)| matches!(text.as_deref(), Some("true" | "false")));
        let values: Vec<String> = columns
            .iter()
            .map(|(name, text)| part(name, text))
            .collect();
        let values = values.join(", ");
        let own = value.map_or_else(|| "no value".to_owned(), plain_number);
        let own = match (&columns[..], is_column) {
            ([], _) => format!("{} {own}", feature.name),
            (_, true) => values.clone(),
            (columns, false) if columns.iter().any(|(name, _)| *name == feature.name) => {
                format!("feature {} {own} (column {values})", feature.name)
            }
            (_, false) => format!("{} {own} ({values})", feature.name),
        };
        Self {
            value,
            own,
            columns: match values.is_empty() {
                true => feature.name.clone(),
                false => values,
            },
            is_flag,
        }
    }

    /// Writes another value of the feature.
    fn other(&self, value: f64) -> String {
        match (self.is_flag, value) {
            (true, 0.0) => "false".to_owned(),
            (true, 1.0) => "true".to_owned(),
            _ => plain_number(value),
        }
    }
}

/// Returns a value with the name of its column, or the value alone if it comes from another expression.
pub(super) fn part(sql: &str, value: &Option<String>) -> String {
    let is_column = sql
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_');
    match (value.as_deref().map(shortened), is_column) {
        (Some(value), true) => format!("{sql} {value}"),
        (Some(value), false) => value.into_owned(),
        (None, true) => format!("no {sql}"),
        (None, false) => "no value".to_owned(),
    }
}

/// Returns the facts about a rarity. `parts` are the value and what it is given.
pub(super) fn describe_sighting(parts: &[String], sighting: Sighting) -> Vec<Fact> {
    let (value, given) = (&parts[0], &parts[1..]);
    let Sighting { count, of, dropped } = sighting;
    let context = given[dropped.min(given.len())..].join(" with ");
    let beside = if context.is_empty() {
        String::new()
    } else {
        format!(" with {context}")
    };
    let seen = match count {
        0 => format!("{value} was never seen in training{beside}"),
        _ => format!(
            "{value}: {} of the training events{beside}",
            share(count as f64, of as f64)
        ),
    };
    let seen = Fact::shared(seen, count as f64, of.max(1) as f64);
    if dropped == 0 {
        return vec![seen];
    }
    let unseen = format!("{} was never seen in training", given.join(" with "));
    vec![Fact::shared(unseen, 0.0, 1.0), seen]
}

/// Returns how common a category is in training, or the category alone if nothing is known of the training events.
pub(super) fn describe_category(
    feature: &Feature,
    value: Option<&str>,
    categories: &[String],
    profile: &FeatureProfile,
) -> Fact {
    let Distribution::Categories(counts) = &profile.distribution else {
        return Fact::plain(feature.name.clone());
    };
    let total: f64 = counts.iter().sum::<f64>() + profile.missing;
    let name = &feature.name;
    let common = |what: String, count: f64| {
        if total == 0.0 {
            return Fact::plain(what);
        }
        let share = share(count, total);
        Fact::shared(
            format!("{what}: {share} of the training events"),
            count,
            total,
        )
    };
    let Some(value) = value else {
        return common(format!("no {name}"), profile.missing);
    };
    match categories.iter().position(|category| category == value) {
        Some(code) => common(format!("{name} {value}"), counts[code]),
        None => Fact::shared(
            format!("{name} {value} was never seen in training"),
            0.0,
            1.0,
        ),
    }
}

/// Returns how common a number is in training, or where it lies among the training events.
pub(super) fn describe_number(
    feature: &Feature,
    shown: &ShownValue,
    profile: &FeatureProfile,
) -> Vec<Fact> {
    let Some(value) = shown.value else {
        let present = match &profile.distribution {
            Distribution::Values(values) => values.iter().map(|(_, count)| count).sum(),
            Distribution::Categories(counts) => counts.iter().sum::<f64>(),
            Distribution::Ranges(ranges) => ranges.iter().map(|range| range.count).sum(),
        };
        let text = format!("{}: no value", shown.columns);
        return vec![Fact::shared(
            text,
            profile.missing,
            profile.missing + present,
        )];
    };
    match &profile.distribution {
        Distribution::Values(values) => {
            describe_value(feature, shown, value, values, profile.missing)
        }
        Distribution::Ranges(ranges) => {
            let place = place(value, &profile.distribution, ranges);
            let share = tail(value, ranges);
            vec![Fact {
                text: format!("{}: {place}", shown.own),
                share,
            }]
        }
        Distribution::Categories(_) => vec![Fact::plain(feature.name.clone())],
    }
}

/// Returns how common a number is in training if it had few distinct numbers, and the most common one if it is another.
/// A number with a meaning is written as that meaning.
fn describe_value(
    feature: &Feature,
    shown: &ShownValue,
    value: f64,
    values: &[(f64, f64)],
    missing: f64,
) -> Vec<Fact> {
    let total: f64 = values.iter().map(|(_, count)| count).sum::<f64>() + missing;
    let of_value = values
        .iter()
        .find(|(known, _)| *known == value)
        .map_or(0.0, |(_, count)| *count);
    let usual =
        values.iter().copied().fold(
            (f64::NAN, 0.0),
            |best, next| {
                if next.1 > best.1 { next } else { best }
            },
        );
    let own = match meaning(feature, value) {
        Some(meaning) => format!("{} ({meaning})", shown.columns),
        None => shown.own.clone(),
    };
    let own = format!("{own}: {} of the training events", share(of_value, total));
    let own = Fact::shared(own, of_value, total);
    if usual.0 == value {
        return vec![own];
    }
    let name = meaning(feature, usual.0).map_or_else(|| shown.other(usual.0), str::to_owned);
    let usual = format!("{}: {name}", share(usual.1, total));
    vec![own, Fact::plain(usual)]
}

/// Returns the share of the training events that lie as far from the middle as a number: twice the lesser of the shares
/// that are not above and not below it, or the share of its own range if that is a single value.
fn tail(value: f64, ranges: &[ValueRange]) -> Option<f64> {
    let count = |is_counted: &dyn Fn(&ValueRange) -> bool| -> f64 {
        let counted = ranges.iter().filter(|range| is_counted(range));
        counted.map(|range| range.count).sum()
    };
    let total = count(&|_| true);
    let own = count(&|range| range.low == value && range.high == value);
    let least = count(&|range| range.low <= value).min(count(&|range| range.high >= value));
    let tail = if own > 0.0 { own } else { 2.0 * least };
    Some((tail / total).min(1.0)).filter(|share| share.is_finite())
}

/// Returns where a number lies among the training events, or how common it is if it has a range of its own.
fn place(value: f64, distribution: &Distribution, ranges: &[ValueRange]) -> String {
    let total: f64 = ranges.iter().map(|range| range.count).sum();
    let heaviest = ranges.iter().filter(|range| range.low == range.high);
    let heaviest = heaviest.max_by(|left, right| left.count.total_cmp(&right.count));
    let own = ranges
        .iter()
        .find(|range| range.low == value && range.high == value);
    if let Some(own) = own {
        return format!("{} of the training events", share(own.count, total));
    }
    let [first, low, high, last] =
        [0.0, 0.25, 0.75, 1.0].map(|q| distribution.quantile(q).unwrap_or(f64::NAN));
    let place = match value {
        value if value < first => {
            let first = plain_number(first);
            format!("below all training events, which begin at {first}")
        }
        value if value > last => {
            let last = plain_number(last);
            format!("above all training events, which end at {last}")
        }
        _ => {
            let [first, last] = [first, last].map(plain_number);
            format!("training events lie between {first} and {last}")
        }
    };
    let most = match heaviest {
        Some(range) if range.count >= total / 2.0 => {
            let most = share(range.count, total);
            format!("{most} of them are {}", plain_number(range.low))
        }
        _ => {
            let middle = middle(ranges, low, high);
            let [low, high] = [low, high].map(plain_number);
            format!("{middle} of them between {low} and {high}")
        }
    };
    format!("{place}, {most}")
}

/// Returns the share of the training events from `low` to `high`, which are quartiles, in words: it is more than half where
/// a quartile is a value that many events have.
fn middle(ranges: &[ValueRange], low: f64, high: f64) -> String {
    let total: f64 = ranges.iter().map(|range| range.count).sum();
    let inside = ranges.iter().filter(|range| {
        let is_value = range.low == range.high;
        range.high <= high && (range.low > low || is_value && range.low == low)
    });
    let inside: f64 = inside.map(|range| range.count).sum();
    if inside / total <= 0.55 {
        "half".into()
    } else {
        share(inside, total)
    }
}

/// Returns the meaning of a coded value, if the recipe gives one.
fn meaning(feature: &Feature, value: f64) -> Option<&str> {
    feature.values.get(&value.to_string()).map(String::as_str)
}

/// Returns a share in words. Only an exact 0 is "none" and only an exact 1 is "all": one event in a million is neither.
fn share(count: f64, of: f64) -> String {
    match count {
        0.0 => "none".into(),
        count if count == of => "all".into(),
        count => percent(count / of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarities_are_described_in_sentences() {
        let parts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let process = parts(&["processName scan"]);
        let event = parts(&["eventName connect", "processName scan"]);
        let told = |parts: &[String], (count, of, dropped)| {
            let facts = describe_sighting(parts, Sighting { count, of, dropped });
            let facts = facts.into_iter().map(|fact| (fact.text, fact.share));
            facts.collect::<Vec<_>>()
        };
        let fact = |text: &str, share| (text.to_owned(), Some(share));
        assert_eq!(
            told(&process, (0, 1000, 0)),
            [fact("processName scan was never seen in training", 0.0)]
        );
        assert_eq!(
            told(&event, (5, 1000, 0)),
            [fact(
                "eventName connect: 0.50 % of the training events with processName scan",
                0.005
            )]
        );
        assert_eq!(
            told(&event, (0, 1000, 0)),
            [fact(
                "eventName connect was never seen in training with processName scan",
                0.0
            )]
        );
        assert_eq!(
            told(&event, (5, 1000, 1)),
            [
                fact("processName scan was never seen in training", 0.0),
                fact("eventName connect: 0.50 % of the training events", 0.005)
            ]
        );
    }

    #[test]
    fn the_share_of_a_number_is_that_of_its_tail() {
        // 100 events: 20 zeros, and 80 spread evenly from 1 to 80.
        let range = |low: u32, high: u32| ValueRange {
            low: low.into(),
            high: high.into(),
            count: if high == 0 {
                20.0
            } else {
                (high - low + 1).into()
            },
        };
        let ranges = [range(0, 0), range(1, 10), range(11, 70), range(71, 80)];
        let tail = |value| tail(value, &ranges).expect("a share");
        assert_eq!(tail(-1.0), 0.0);
        assert_eq!(tail(0.0), 0.2);
        assert_eq!(tail(5.0), 0.6);
        assert_eq!(tail(30.0), 1.0);
        assert_eq!(tail(75.0), 0.2);
        assert_eq!(tail(81.0), 0.0);
    }
}
