//! Trustworthiness: how well an embedding preserves neighbourhoods.

use rayon::prelude::*;

/// Returns the trustworthiness of an embedding (Venna & Kaski 2001), from 0 to 1. It is 1 when the
/// `k` nearest neighbours of each row in the embedding are among its `k` nearest neighbours in the
/// data. Each neighbour that is not lowers it by its distance rank in the data. Distances are
/// Euclidean. The result equals `sklearn.manifold.trustworthiness`, with ties broken by the order
/// of the rows.
///
/// `rows` and `embedding` are row-major, with `n_features` and `n_components` values per row. The
/// running time is proportional to the square of the number of rows.
///
/// Returns `None` when the lengths do not match, or when `k` is not from 1 to less than half the
/// number of rows, where the metric is undefined.
pub fn trustworthiness(
    rows: &[f64],
    n_features: usize,
    embedding: &[f32],
    n_components: usize,
    k: usize,
) -> Option<f64> {
    let n = rows.len().checked_div(n_features)?;
    let fits = n * n_features == rows.len() && n.checked_mul(n_components) == Some(embedding.len());
    if !fits || n_components == 0 || k == 0 || 2 * k >= n {
        return None;
    }
    let embedding: Vec<f64> = embedding.iter().map(|x| f64::from(*x)).collect();
    let penalties = (0..n).into_par_iter().map(|row| {
        let ranks = ranks(rows, n_features, row);
        let near = order(&embedding, n_components, row);
        let penalty = |other: &u32| ranks[*other as usize].saturating_sub(k as u64);
        near[..k].iter().map(penalty).sum::<u64>()
    });
    // Penalties are whole numbers, so the number of threads cannot change the sum.
    let penalty = penalties.sum::<u64>() as f64;
    let (n, k) = (n as f64, k as f64);
    Some(1.0 - penalty * 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)))
}

/// Returns the indices of the other rows, nearest first.
fn order(values: &[f64], width: usize, row: usize) -> Vec<u32> {
    let at = |row: usize| &values[row * width..(row + 1) * width];
    let square = |other: usize| {
        let differences = at(row)
            .iter()
            .zip(at(other))
            .map(|(x, y)| (x - y) * (x - y));
        differences.sum::<f64>()
    };
    let others = (0..values.len() / width).filter(|&other| other != row);
    let mut order: Vec<(f64, u32)> = others.map(|other| (square(other), other as u32)).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|other| other.1).collect()
}

/// Returns the distance rank of each row as seen from `row`: 1 for the nearest other row.
fn ranks(values: &[f64], width: usize, row: usize) -> Vec<u64> {
    let mut ranks = vec![0; values.len() / width];
    for (rank, other) in (1..).zip(order(values, width, row)) {
        ranks[other as usize] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: [f64; 7] = [0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0];

    #[test]
    fn the_same_order_is_fully_trustworthy() {
        let same: Vec<f32> = LINE.iter().map(|x| (x * 3.0) as f32).collect();
        assert_eq!(trustworthiness(&LINE, 1, &same, 1, 2), Some(1.0));
    }

    /// The expected value is `sklearn.manifold.trustworthiness` of the same values.
    #[test]
    fn agrees_with_scikit_learn() {
        let shuffled = [3.0, 0.0, 4.1, 1.0, 5.3, 2.2, 6.6];
        let found = trustworthiness(&LINE, 1, &shuffled, 1, 2).unwrap();
        assert!((found - SKLEARN).abs() < 1e-12, "{found}");
    }

    const SKLEARN: f64 = 0.489_795_918_367_346_9;

    #[test]
    fn what_is_not_defined_is_none() {
        let embedding = [0.0; 7];
        assert_eq!(trustworthiness(&LINE, 0, &embedding, 1, 2), None);
        assert_eq!(trustworthiness(&LINE, 1, &embedding[1..], 1, 2), None);
        assert_eq!(trustworthiness(&LINE, 1, &embedding, 1, 4), None);
        assert_eq!(trustworthiness(&LINE, 1, &embedding, 1, 0), None);
    }
}
