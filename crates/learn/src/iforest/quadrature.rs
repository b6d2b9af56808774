//! Gauss–Legendre quadrature on [0, 1].

/// Returns the points and weights of the `n`-point rule, which integrates polynomials of degree up
/// to 2n − 1 exactly. The points are the roots of the Legendre polynomial Pₙ and the weights are 2
/// / ((1 − x²) Pₙ′(x)²) (Abramowitz & Stegun 1964, 25.4.29), both mapped from [−1, 1] to [0, 1].
pub(super) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let mut roots: Vec<f64> = Vec::new();
    for degree in 1..=n {
        // Exactly one root of Pₙ lies between each two neighbouring values of −1, the roots of
        // Pₙ₋₁, and 1.
        let ends: Vec<f64> = [-1.0].into_iter().chain(roots).chain([1.0]).collect();
        roots = ends
            .windows(2)
            .map(|pair| root_between(degree, pair[0], pair[1]))
            .collect();
    }
    let weighted = roots.into_iter().map(|x| {
        let (value, before) = legendre(n, x);
        let slope = n as f64 * (before - x * value) / (1.0 - x * x);
        (0.5 + 0.5 * x, 1.0 / ((1.0 - x * x) * slope * slope))
    });
    weighted.collect()
}

/// Finds by bisection the root of the Legendre polynomial between two points of opposite sign.
fn root_between(degree: usize, mut low: f64, mut high: f64) -> f64 {
    let rising = legendre(degree, high).0 > 0.0;
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if (legendre(degree, middle).0 > 0.0) == rising {
            high = middle;
        } else {
            low = middle;
        }
    }
    0.5 * (low + high)
}

/// Returns Pₙ(x) and Pₙ₋₁(x), computed by Bonnet's recurrence.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    (1..n).fold((x, 1.0), |(value, before), k| {
        let k = k as f64;
        (
            ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0),
            value,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::gauss_legendre;

    #[test]
    fn integrates_polynomials_exactly() {
        for n in 1..=20 {
            let rule = gauss_legendre(n);
            for degree in 0..2 * n as i32 {
                let integral: f64 = rule.iter().map(|(x, w)| w * x.powi(degree)).sum();
                let exact = 1.0 / f64::from(degree + 1);
                assert!(
                    (integral - exact).abs() < 1e-14,
                    "{n} points, degree {degree}"
                );
            }
        }
    }
}
