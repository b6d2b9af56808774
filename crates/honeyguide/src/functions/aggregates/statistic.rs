//! What aggregates compute, and what they remember of the rows.

use datafusion::arrow::datatypes::DataType;
use learn::exact_sum::{ExactMoments, ExactSum};

/// What an aggregate computes of one column, or of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Statistic {
    Sum,
    Mean,
    Minimum,
    Maximum,
    /// The sum of squared deviations, divided by the count less this number.
    Variance(u64),
    /// The square root of the variance.
    Deviation(u64),
    Covariance(u64),
    Correlation,
    Regression(Regression),
}

/// A figure of the least-squares line of the first column over the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Regression {
    Slope,
    Intercept,
    RSquared,
    MeanX,
    MeanY,
    SpreadX,
    SpreadY,
    JointSpread,
}

/// The engine's names of the aggregates.
pub(super) const NAMES: [(&str, Statistic); 19] = [
    ("sum", Statistic::Sum),
    ("avg", Statistic::Mean),
    ("min", Statistic::Minimum),
    ("max", Statistic::Maximum),
    ("var", Statistic::Variance(1)),
    ("var_pop", Statistic::Variance(0)),
    ("stddev", Statistic::Deviation(1)),
    ("stddev_pop", Statistic::Deviation(0)),
    ("covar_samp", Statistic::Covariance(1)),
    ("covar_pop", Statistic::Covariance(0)),
    ("corr", Statistic::Correlation),
    ("regr_slope", Statistic::Regression(Regression::Slope)),
    (
        "regr_intercept",
        Statistic::Regression(Regression::Intercept),
    ),
    ("regr_r2", Statistic::Regression(Regression::RSquared)),
    ("regr_avgx", Statistic::Regression(Regression::MeanX)),
    ("regr_avgy", Statistic::Regression(Regression::MeanY)),
    ("regr_sxx", Statistic::Regression(Regression::SpreadX)),
    ("regr_syy", Statistic::Regression(Regression::SpreadY)),
    ("regr_sxy", Statistic::Regression(Regression::JointSpread)),
];

impl Statistic {
    pub(super) fn of(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(engines, _)| *engines == name);
        found.map(|(_, statistic)| *statistic)
    }

    pub(super) fn columns(self) -> usize {
        match self {
            Self::Covariance(_) | Self::Correlation | Self::Regression(_) => 2,
            _ => 1,
        }
    }

    /// Returns whether the engine's aggregate of such columns rounds after each row, or compares doubles.
    pub(super) fn replaces(self, kinds: &[DataType]) -> bool {
        match self {
            Self::Sum | Self::Mean | Self::Minimum | Self::Maximum => {
                kinds.iter().all(DataType::is_floating)
            }
            _ => kinds.iter().all(DataType::is_numeric),
        }
    }

    /// Returns whether the statistic is computed of sums of products, in which the rounding of great integers shows.
    pub(super) fn is_of_products(self) -> bool {
        matches!(self.start(), Total::Moments(_))
    }

    pub(super) fn start(self) -> Total {
        match self {
            Self::Sum | Self::Mean => Total::Sum(0, ExactSum::default()),
            Self::Minimum | Self::Maximum => Total::Extreme(None),
            _ => Total::Moments(Box::default()),
        }
    }

    /// Returns the statistic of what was added; `None` where it is undefined.
    pub(super) fn value(self, total: &Total) -> Option<f64> {
        match total {
            Total::Extreme(extreme) => *extreme,
            Total::Sum(0, _) => None,
            Total::Sum(count, sum) => Some(match self {
                Self::Mean => sum.mean(*count),
                _ => sum.value(),
            }),
            Total::Moments(moments) => self.of_moments(moments),
        }
    }

    fn of_moments(self, moments: &ExactMoments) -> Option<f64> {
        let divisor = |fewer: u64| moments.count.checked_sub(fewer).filter(|count| *count > 0);
        match self {
            Self::Variance(fewer) => Some(moments.spread_of_x(divisor(fewer)?)),
            Self::Deviation(fewer) => Some(moments.spread_of_x(divisor(fewer)?).sqrt()),
            Self::Covariance(fewer) => Some(moments.joint_spread(divisor(fewer)?)),
            Self::Correlation if moments.is_finite() => {
                let (squared, sign) = moments.squared_correlation()?;
                Some(squared.sqrt() * sign)
            }
            Self::Correlation => divisor(1).map(|_| f64::NAN),
            Self::Regression(figure) => {
                divisor(0)?;
                figure.of_moments(moments)
            }
            Self::Sum | Self::Mean | Self::Minimum | Self::Maximum => None,
        }
    }

    /// Adds the numbers of a row.
    pub(super) fn add(self, total: &mut Total, row: Row) {
        match total {
            Total::Sum(count, sum) => {
                *count += 1;
                sum.add(row.x);
            }
            Total::Extreme(extreme) => {
                let number = if row.x.is_nan() { f64::NAN } else { row.x };
                *extreme = Some(match *extreme {
                    Some(found) if self.prefers(found, number) => found,
                    _ => number,
                });
            }
            Total::Moments(moments) => {
                moments.add(row.x, row.y);
                if row.has_rests() {
                    moments.add_rests([row.x, row.x_rest], [row.y, row.y_rest]);
                }
            }
        }
    }

    /// Returns whether an extreme stays if another number is added. NaN is greater than every number, as in PostgreSQL.
    fn prefers(self, found: f64, number: f64) -> bool {
        let order = found.total_cmp(&number);
        match self {
            Self::Minimum => order.is_le(),
            _ => order.is_ge(),
        }
    }

    pub(super) fn merge(self, total: &mut Total, words: &[i64]) -> Option<()> {
        let mut words = words;
        let rest = &mut words;
        match total {
            Total::Sum(count, sum) => {
                *count = count.checked_add(u64::try_from(take(rest)?).ok()?)?;
                sum.merge(&ExactSum::decode(rest)?);
            }
            Total::Extreme(_) => {
                if !rest.is_empty() {
                    let x = f64::from_bits(take(rest)?.cast_unsigned());
                    self.add(total, Row::of(x));
                }
            }
            Total::Moments(moments) => moments.merge(&ExactMoments::decode(rest)?),
        }
        rest.is_empty().then_some(())
    }
}

fn take(words: &mut &[i64]) -> Option<i64> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(*first)
}

impl Regression {
    fn of_moments(self, moments: &ExactMoments) -> Option<f64> {
        // A statistic of one number that is not finite is NaN, as a mean is.
        let line = || match moments.is_finite() {
            true => moments.line_over_x(),
            false => Some((f64::NAN, f64::NAN)),
        };
        match self {
            Self::Slope => line().map(|(slope, _)| slope),
            Self::Intercept => line().map(|(_, intercept)| intercept),
            Self::RSquared if moments.is_finite() => {
                moments.squared_correlation().map(|(squared, _)| squared)
            }
            Self::RSquared => Some(f64::NAN),
            Self::MeanX => Some(moments.x.mean(moments.count)),
            Self::MeanY => Some(moments.y.mean(moments.count)),
            Self::SpreadX => Some(moments.spread_of_x(1)),
            Self::SpreadY => Some(moments.spread_of_y(1)),
            Self::JointSpread => Some(moments.joint_spread(1)),
        }
    }
}

/// The numbers of a row that are aggregated. An aggregate of one column has no y.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub x: f64,
    pub y: f64,
    /// What the number has beyond x, if a double cannot hold it.
    pub x_rest: f64,
    pub y_rest: f64,
}

impl Row {
    /// Returns a row of one number.
    pub fn of(x: f64) -> Self {
        Self {
            x,
            y: 0.0,
            x_rest: 0.0,
            y_rest: 0.0,
        }
    }

    fn has_rests(&self) -> bool {
        self.x_rest != 0.0 || self.y_rest != 0.0
    }
}

/// What an aggregate remembers of the rows that were added.
#[derive(Debug, Clone)]
pub(super) enum Total {
    /// The number of rows and their sum.
    Sum(u64, ExactSum),
    /// The least or the greatest number, if there is one.
    Extreme(Option<f64>),
    Moments(Box<ExactMoments>),
}

impl Total {
    pub(super) fn subtract(&mut self, row: Row) {
        match self {
            Self::Sum(count, sum) => {
                *count -= 1;
                sum.subtract(row.x);
            }
            Self::Extreme(_) => {}
            Self::Moments(moments) => {
                moments.subtract(row.x, row.y);
                if row.has_rests() {
                    moments.subtract_rests([row.x, row.x_rest], [row.y, row.y_rest]);
                }
            }
        }
    }

    pub(super) fn encode(&self) -> Vec<i64> {
        let mut words = Vec::new();
        match self {
            Self::Sum(count, sum) => {
                words.push(count.cast_signed());
                sum.encode(&mut words);
            }
            Self::Extreme(extreme) => {
                words.extend(extreme.map(|number| number.to_bits().cast_signed()));
            }
            Self::Moments(moments) => moments.encode(&mut words),
        }
        words
    }

    /// Returns the memory that it takes beside this value, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Sum(_, sum) => sum.heap_bytes(),
            Self::Extreme(_) => 0,
            Self::Moments(moments) => size_of::<ExactMoments>() + moments.heap_bytes(),
        }
    }
}
