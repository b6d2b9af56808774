//! What chance alone explains: tests that two samples come from one distribution, and the rates that counts can tell
//! apart. All of them take the events to be independent of one another.

use std::collections::HashMap;

use crate::real::{exp, ln};

/// The probability below which a difference is called more than chance, for one comparison. A comparison of several
/// figures divides it by their number (Bonferroni), so that all of them together stay within it.
pub const SIGNIFICANCE: f64 = 0.01;

/// The number of events in the smaller sample from which on the moments of a cell's statistic are
/// close to those of χ² with one degree of freedom.
const MANY: f64 = 20.0;

/// A number of events among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The number of events that are meant.
    pub part: u64,
    /// The number of all events, at least `part`.
    pub whole: u64,
}

impl Share {
    /// Returns the share as a number from 0 to 1; 0 if there are no events.
    pub fn rate(self) -> f64 {
        if self.whole == 0 {
            0.0
        } else {
            self.part as f64 / self.whole as f64
        }
    }

    /// Returns the probability that two samples from one distribution have shares at least as far
    /// apart as these, on the same side, times two for both sides.
    ///
    /// This is Fisher's exact test (Fisher 1935, "The Logic of Inductive Inference"): given how many
    /// events of both samples together are meant, those of one sample have a hypergeometric
    /// distribution. The test also holds if the rule that marks events was chosen by one of the
    /// samples, as a threshold is: the number of new events above the k-th highest of n old ones
    /// has a negative hypergeometric distribution, whose tail probabilities are no greater.
    pub fn p_value(self, other: Share) -> f64 {
        let (n, m) = (self.whole, other.whole);
        let meant = self.part + other.part;
        if n == 0 || m == 0 || meant == 0 || meant == n + m {
            return 1.0;
        }
        let [n, m, meant, found] = [n, m, meant, self.part].map(|count| count as f64);
        let expected = meant * (n / (n + m));
        let at = |x: f64| {
            let ways = |of: f64, chosen: f64| ln_choose(of, chosen);
            exp(ways(n, x) + ways(m, meant - x) - ways(n + m, meant))
        };
        let tail = if found >= expected {
            let step = |x: f64| (n - x) * (meant - x) / ((x + 1.0) * (m - meant + x + 1.0));
            tail_sum(at(found), found, 1.0, n.min(meant), step)
        } else {
            let step = |x: f64| x * (m - meant + x) / ((n - x + 1.0) * (meant - x + 1.0));
            tail_sum(at(found), found, -1.0, (meant - m).max(0.0), step)
        };
        (2.0 * tail).min(1.0)
    }

    /// Returns the probability that events of which each is meant with probability `rate` give a
    /// share at least as far from it, on the same side, times two for both sides: the exact
    /// binomial test, whose inversion is the interval of Clopper & Pearson 1934.
    pub fn p_value_of_rate(self, rate: f64) -> f64 {
        let [n, found] = [self.whole, self.part].map(|count| count as f64);
        if self.whole == 0 {
            return 1.0;
        }
        if rate <= 0.0 || rate >= 1.0 {
            return if self.rate() == rate { 1.0 } else { 0.0 };
        }
        let start = exp(ln_choose(n, found) + found * ln(rate) + (n - found) * ln(1.0 - rate));
        let odds = rate / (1.0 - rate);
        let tail = if found >= n * rate {
            tail_sum(start, found, 1.0, n, |x| (n - x) / (x + 1.0) * odds)
        } else {
            tail_sum(start, found, -1.0, 0.0, |x| x / ((n - x + 1.0) * odds))
        };
        (2.0 * tail).min(1.0)
    }
}

/// Returns the sum of probabilities from `x` to `end`, where `step(x)` is the next one divided by
/// that at `x`. It ends early where the rest cannot matter.
fn tail_sum(start: f64, x: f64, by: f64, end: f64, step: impl Fn(f64) -> f64) -> f64 {
    let (mut x, mut term, mut sum) = (x, start, start);
    while x != end && term > 1e-18 * sum {
        term *= step(x);
        sum += term;
        x += by;
    }
    sum
}

/// Returns the largest number of `events` that is at most the share `rate` of them, where `rate` is
/// the nearest double of a decimal. 0.0003 of 10,000 are 3 events, although the product of the
/// doubles is below 3.
pub fn count_of_share(rate: f64, events: u64) -> u64 {
    without_rounding(rate * events as f64) as u64
}

/// Returns the whole number that a product or a quotient of two doubles stands for, if it is one but
/// for rounding: each double, and the result, can be off by half a unit in the last place. Returns
/// other results as they are.
pub fn without_rounding(result: f64) -> f64 {
    let nearest = result.round();
    if (result - nearest).abs() <= 2.0 * f64::EPSILON * nearest.abs() {
        nearest
    } else {
        result
    }
}

/// Returns the share of new events that lie above a threshold in expectation, at most, if the
/// threshold is the highest score of so many events of the same distribution that is not `flagged`.
pub fn expected_rate(flagged: Share) -> f64 {
    (flagged.part + 1) as f64 / (flagged.whole + 1) as f64
}

/// Returns the least number of events that can resolve `rate`: with n events, no threshold has an
/// expected rate on new events that is known to be below 1/(n + 1). Returns `None` for a rate of 0,
/// which no number resolves.
pub fn events_to_resolve(rate: f64) -> Option<u64> {
    if rate <= 0.0 {
        return None;
    }
    Some(without_rounding(1.0 / rate).ceil() as u64 - 1)
}

/// Returns the exact interval of the mean of a Poisson variable that was observed to be `count`, with at least the
/// `confidence`, which lies between 0 and 1 (Garwood 1936, "Fiducial limits for the Poisson distribution"). Divided by a time,
/// it is the interval of a rate.
pub fn poisson_interval(count: u64, confidence: f64) -> [f64; 2] {
    let tail = (1.0 - confidence) / 2.0;
    [poisson_lower(count, tail), poisson_upper(count, tail)]
}

/// Returns the least mean of a Poisson variable that is at least `count` with the probability `tail`.
fn poisson_lower(count: u64, tail: f64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    // A Poisson variable of mean x is below n with the probability Q(n, x).
    falling_root(|mean| upper_gamma(count as f64, mean) - (1.0 - tail))
}

/// Returns the mean of a Poisson variable that is at most `count` with the probability `tail`: an upper bound of the mean with
/// the confidence 1 − `tail`, if it was observed to be `count`.
pub fn poisson_upper(count: u64, tail: f64) -> f64 {
    falling_root(|mean| upper_gamma(count as f64 + 1.0, mean) - tail)
}

/// Returns where a function that falls from above 0 crosses it, by bisection to the last bit.
fn falling_root(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while f(high) > 0.0 {
        high *= 2.0;
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// Returns an upper bound of the probability that two samples of `n` and `m` events from one
/// distribution have cumulative distributions that differ by `distance` or more somewhere.
///
/// The bound e·exp(−2 d² nm/(n + m)) holds for all sizes and with ties (Wei & Dudley 2012,
/// "Two-sample Dvoretzky–Kiefer–Wolfowitz inequalities"; they prove it for equal sizes and computed
/// it for unequal ones).
pub fn kolmogorov_smirnov_p_value(distance: f64, n: f64, m: f64) -> f64 {
    if !(n > 0.0 && m > 0.0) {
        return 1.0;
    }
    exp(1.0 - 2.0 * distance * distance * n * (m / (n + m))).min(1.0)
}

/// Returns the probability that two samples from one distribution have counts in the same cells that
/// differ as much as these or more.
///
/// The statistic is G, twice the logarithm of the likelihood ratio (Wilks 1938). Its tails stay
/// right where those of Pearson's X² become wrong, in cells with few events. Its distribution is
/// that of a gamma variable with G's own expectation and variance, which are summed exactly over
/// the cells, given the events of both samples in each cell: χ² with as many degrees of freedom as
/// there are cells but one if all cells have many events (Satterthwaite 1946 for the matching of
/// moments).
pub fn homogeneity_p_value(cells: impl Iterator<Item = [f64; 2]> + Clone) -> f64 {
    let (mut n, mut m) = (0.0, 0.0);
    for [first, second] in cells.clone() {
        n += first;
        m += second;
    }
    if !(n > 0.0 && m > 0.0) {
        return 1.0;
    }
    let share = n / (n + m);
    let smaller = share.min(1.0 - share);
    let mut moments: HashMap<u64, [f64; 2]> = HashMap::new();
    let (mut statistic, mut mean, mut variance) = (0.0, 0.0, 0.0);
    for [first, second] in cells {
        let both = first + second;
        statistic += divergence(first, both * share) + divergence(second, both * (1.0 - share));
        let pooled = (both.round() as u64).max(u64::from(both > 0.0));
        let [cell_mean, cell_variance] = *moments
            .entry(pooled)
            .or_insert_with(|| cell_moments(pooled as f64, smaller));
        // The events of a cell are drawn without replacement.
        let free = 1.0 - both / (n + m);
        mean += cell_mean * free;
        variance += cell_variance * free;
    }
    if mean <= 0.0 {
        return 1.0;
    }
    // A greater scale makes the tail heavier, and χ² has a scale of 2.
    let scale = (variance / mean).max(2.0);
    upper_gamma(mean / scale, statistic.max(0.0) / scale)
}

/// Returns 2 x ln (x / expected).
fn divergence(count: f64, expected: f64) -> f64 {
    if count > 0.0 && expected > 0.0 {
        2.0 * count * ln(count / expected)
    } else {
        0.0
    }
}

/// Returns the mean and the variance of a cell's part of G if each of its `pooled` events is in the
/// smaller sample with probability `share`.
fn cell_moments(pooled: f64, share: f64) -> [f64; 2] {
    let expected = pooled * share;
    if pooled == 0.0 {
        return [0.0; 2];
    }
    if expected > MANY {
        // The next term of the expansion in the sizes (Williams 1976 for the mean).
        let next = (1.0 / share + 1.0 / (1.0 - share) - 1.0) / pooled;
        return [1.0 + next / 6.0, 2.0 + 0.75 * next];
    }
    let last = (expected + 12.0 * expected.sqrt() + 40.0).min(pooled);
    let odds = share / (1.0 - share);
    let mut probability = exp(pooled * ln(1.0 - share));
    let (mut x, mut mean, mut squares) = (0.0, 0.0, 0.0);
    while x <= last {
        let part = divergence(x, expected) + divergence(pooled - x, pooled * (1.0 - share));
        mean += probability * part;
        squares += probability * part * part;
        probability *= (pooled - x) / (x + 1.0) * odds;
        x += 1.0;
    }
    [mean, (squares - mean * mean).max(0.0)]
}

/// Returns ln of the number of ways to choose `chosen` of `of`.
fn ln_choose(of: f64, chosen: f64) -> f64 {
    ln_gamma(of + 1.0) - ln_gamma(chosen + 1.0) - ln_gamma(of - chosen + 1.0)
}

/// Returns ln Γ(x) for x ≥ 0.5, by Stirling's series after a shift to 10 or more (Abramowitz & Stegun
/// 1964, 6.1.41).
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 1.0);
    while x < 10.0 {
        shift *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - square
            * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))))
        / x;
    (x - 0.5) * ln(x) - x + 0.918_938_533_204_672_8 + series - ln(shift)
}

/// Returns Q(a, x), the share of a gamma distribution of shape `a` above `x`: by the series of the
/// lower part below the mean and by the continued fraction above it (Abramowitz & Stegun 1964, 6.5.29
/// and 6.5.31).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = exp(a * ln(x) - x - ln_gamma_small(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > 1e-16 * sum {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    // Lentz's method, where b is x + 2i + 1 − a and the numerators are i (a − i).
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::MAX, 1.0 / b);
    let mut fraction = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let numerator = i * (a - i);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let factor = c * d;
        fraction *= factor;
        if (factor - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// Returns ln Γ(x) for any x above 0.
fn ln_gamma_small(x: f64) -> f64 {
    if x < 0.5 {
        ln_gamma(x + 1.0) - ln(x)
    } else {
        ln_gamma(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const GAMMALN: [(f64, f64); 6] = [
        (0.5, 0.5723649429247),
        (1.5, -0.12078223763524526),
        (3.0, std::f64::consts::LN_2),
        (10.0, 12.801827480081469),
        (123.25, 468.6144829505166),
        (1000000.0, 12815504.569147611),
    ];
    const GAMMAINCC: [(f64, f64, f64); 7] = [
        (0.5, 0.1, 0.6547208460185768),
        (0.5, 9.0, 2.2090496998585475e-05),
        (3.0, 2.5, 0.5438131158833297),
        (30.0, 29.0, 0.5491708852818761),
        (30.0, 90.0, 6.392656991137546e-14),
        (400.0, 420.0, 0.15855788940000687),
        (2.5, 0.001, 0.9999999904914654),
    ];
    const FISHER: [(u64, u64, u64, u64, f64); 6] = [
        (1, 40, 100, 10000, 0.6663393565673863),
        (8, 40, 100, 10000, 1.5950652654652723e-08),
        (0, 1000, 50, 5000, 0.00021092398871993526),
        (300, 1000, 2000, 9000, 8.287919202178592e-08),
        (5, 5, 0, 7, 0.0025252525252525246),
        (40000, 100000, 39000, 100000, 4.886478398094169e-06),
    ];
    const BINOMIAL: [(u64, u64, f64, f64); 5] = [
        (1, 40, 0.01, 0.662056482860639),
        (6, 40, 0.01, 5.733931889640451e-06),
        (0, 1000, 0.01, 8.634249482131639e-05),
        (480, 1000, 0.5, 0.2174482932041415),
        (3, 3, 0.2, 0.016000000000000004),
    ];
    const POISSON: [(u64, f64, f64); 4] = [
        (1, 0.025317807984289876, 5.571643390938899),
        (2, 0.2422092785439649, 7.224687667723961),
        (10, 4.7953886961324335, 18.39035604201778),
        (300, 267.00927523296633, 335.94112555257067),
    ];
    const HOMOGENEITY: f64 = 0.3510344576575605;
    fn close(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 1e-8,
            "{found:e} instead of {expected:e}"
        );
    }

    #[test]
    fn gamma_functions_equal_those_of_scipy() {
        // scipy.special.gammaln and gammaincc
        for (x, expected) in GAMMALN {
            close(ln_gamma(x), expected);
        }
        for (a, x, expected) in GAMMAINCC {
            close(upper_gamma(a, x), expected);
        }
    }

    #[test]
    fn poisson_intervals_equal_those_of_exact_sums() {
        // Roots of sums of the Poisson distribution, in 60 digits.
        for (count, low, high) in POISSON {
            let [found_low, found_high] = poisson_interval(count, 0.95);
            close(found_low, low);
            close(found_high, high);
        }
        // −ln 0.05: the rule of three
        close(poisson_upper(0, 0.05), 2.995_732_273_553_991);
    }

    #[test]
    fn exact_tests_equal_those_of_scipy() {
        // Twice the smaller tail of scipy.stats.hypergeom and of scipy.stats.binom.
        for (part, whole, other_part, other_whole, expected) in FISHER {
            let [first, second] = [(part, whole), (other_part, other_whole)]
                .map(|(part, whole)| Share { part, whole });
            close(first.p_value(second), expected);
            close(second.p_value(first), expected);
        }
        for (part, whole, rate, expected) in BINOMIAL {
            close(Share { part, whole }.p_value_of_rate(rate), expected);
        }
        let none = Share { part: 0, whole: 0 };
        assert_eq!((none.p_value(none), none.p_value_of_rate(0.1)), (1.0, 1.0));
        let two = Share { part: 2, whole: 9 };
        assert_eq!((two.p_value_of_rate(0.0), two.p_value(none)), (0.0, 1.0));
    }

    #[test]
    fn a_decimal_share_loses_no_event() {
        // decimal.Decimal(rate) * events, rounded down
        for (rate, events, expected) in [
            (0.0003, 10_000, 3),
            (0.29, 100, 29),
            (0.001, 1_000, 1),
            (0.001, 999, 0),
            (0.07, 100, 7),
            (0.57, 100, 57),
            (0.0003, 9_999, 2),
            (0.1, 0, 0),
            (1.0, u64::from(u32::MAX), u64::from(u32::MAX)),
        ] {
            assert_eq!(count_of_share(rate, events), expected, "{rate} of {events}");
        }
    }

    #[test]
    fn rates_below_one_in_n_plus_one_are_not_resolved() {
        let needed = [0.001, 0.01, 0.0003, 0.5, 0.3].map(events_to_resolve);
        assert_eq!(needed, [999, 99, 3333, 1, 3].map(Some));
        assert_eq!(events_to_resolve(0.0), None);
        let flagged = |part, whole| expected_rate(Share { part, whole });
        assert_eq!((flagged(0, 99), flagged(0, 999)), (0.01, 0.001));
    }

    #[test]
    fn the_homogeneity_of_large_cells_is_that_of_the_likelihood_ratio() {
        // scipy.stats.chi2_contingency([[300, 500, 200], [330, 480, 190]], lambda_="log-likelihood",
        // correction=False).pvalue; the expectation differs from 2 by a thousandth.
        let cells = [[300.0, 330.0], [500.0, 480.0], [200.0, 190.0]];
        let p_value = homogeneity_p_value(cells.into_iter());
        assert!((p_value - HOMOGENEITY).abs() < 0.002, "{p_value}");
        assert_eq!(homogeneity_p_value([[0.0, 5.0]].into_iter()), 1.0);
        assert_eq!(homogeneity_p_value([[7.0, 5.0]].into_iter()), 1.0);
    }

    /// Draws `n` events from `k` cells whose probabilities fall like 1/i^`slope`.
    fn sample(rng: &mut Rng, n: usize, k: usize, slope: f64) -> Vec<f64> {
        let mut sums = Vec::with_capacity(k);
        let mut total = 0.0;
        for cell in 1..=k {
            total += (cell as f64).powf(-slope);
            sums.push(total);
        }
        let mut counts = vec![0.0; k];
        for _ in 0..n {
            let at = rng.uniform() * total;
            counts[sums.partition_point(|sum| *sum < at).min(k - 1)] += 1.0;
        }
        counts
    }

    /// Under no change at most one test in a hundred, and at most one in a thousand, is below that level.
    #[test]
    fn no_change_is_rarely_called_one() {
        let mut rng = Rng::new(7, 0);
        const RUNS: usize = 600;
        for (n, m) in [(50, 50), (300, 3000), (30, 2000), (2000, 50)] {
            for (k, slope) in [(2, 3.0), (20, 0.0), (60, 1.0), (800, 0.0)] {
                let (mut hundredth, mut thousandth) = (0, 0);
                for _ in 0..RUNS {
                    let [first, second] = [n, m].map(|size| sample(&mut rng, size, k, slope));
                    let cells = first.iter().zip(&second).map(|(a, b)| [*a, *b]);
                    let p_value = homogeneity_p_value(cells);
                    hundredth += usize::from(p_value < 0.01);
                    thousandth += usize::from(p_value < 0.001);
                }
                // 6 and 0.6 are expected; the limits are four standard deviations of a binomial above.
                let what = format!("{n} and {m} events in {k} cells");
                assert!(hundredth <= 16, "{what}: {hundredth} of {RUNS} below 0.01");
                assert!(
                    thousandth <= 4,
                    "{what}: {thousandth} of {RUNS} below 0.001"
                );
            }
        }
    }
}
