//! Tests of the invariants and the quality of embeddings.

use learn::Matrix;
use learn::rng::Rng;
use learn::umap::{
    Epochs, Init, Metric, TransformError, Umap, UmapError, UmapParams, trustworthiness,
};

/// Returns normally distributed rows around `groups` centres that are far apart; consecutive rows
/// belong to different groups.
fn grouped(n: usize, width: usize, groups: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(1, 0);
    let centers: Vec<f64> = (0..groups * width).map(|_| 8.0 * rng.normal()).collect();
    let mut rng = Rng::new(seed, 1);
    (0..n * width)
        .map(|i| centers[(i / width) % groups * width + i % width] + rng.normal())
        .collect()
}

fn matrix(width: usize, values: &[f64]) -> Matrix {
    Matrix::unweighted(width, values.to_vec()).unwrap()
}

fn fit(params: &UmapParams, width: usize, values: &[f64]) -> Umap {
    params.fit(&matrix(width, values)).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

#[test]
fn neighbourhoods_are_kept_for_fitted_and_for_new_rows() {
    let (rows, new) = (grouped(1200, 10, 6, 2), grouped(600, 10, 6, 3));
    let umap = fit(&UmapParams::new(), 10, &rows);
    let fitted = trustworthiness(&rows, 10, umap.embedding(), 2, 15).unwrap();
    let placed = umap.transform(&new).unwrap();
    let placed = trustworthiness(&new, 10, &placed, 2, 15).unwrap();
    assert!(fitted > 0.95 && placed > 0.95, "{fitted} {placed}");
}

#[test]
fn groups_that_are_apart_stay_apart() {
    let rows = grouped(900, 5, 3, 2);
    for metric in [
        Metric::Euclidean,
        Metric::Manhattan,
        Metric::Chebyshev,
        Metric::Cosine,
        Metric::Correlation,
    ] {
        let umap = fit(&UmapParams::new().metric(metric), 5, &rows);
        let places: Vec<&[f32]> = umap.embedding().chunks_exact(2).collect();
        let square = |a: &[f32], b: &[f32]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        let of_own_group = (0..900).filter(|&row| {
            let others = (0..900).filter(|&other| other != row);
            let to = |other: &usize| square(places[row], places[*other]);
            let nearest = others.min_by(|a, b| to(a).total_cmp(&to(b))).unwrap();
            nearest % 3 == row % 3
        });
        assert!(of_own_group.count() > 890, "{metric:?}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // The second case has too many rows and columns for an exact neighbour search.
    for (n, width, epochs) in [(3000, 4, 40), (9000, 24, 5)] {
        let rows = grouped(n, width, 5, 4);
        let new = grouped(50, width, 5, 5);
        let params = UmapParams::new().n_epochs(Epochs::Count(epochs)).seed(9);
        let work = || {
            let umap = fit(&params, width, &rows);
            (bits(umap.embedding()), bits(&umap.transform(&new).unwrap()))
        };
        assert!(on_threads(1, work) == on_threads(3, work), "{n} rows");
    }
}

#[test]
fn the_order_of_rows_leaves_no_trace() {
    let rows = grouped(400, 3, 4, 6);
    let mut order: Vec<usize> = (0..400).collect();
    Rng::new(3, 3).shuffle(&mut order);
    let row = |i: &usize| rows[i * 3..(i + 1) * 3].iter().copied();
    let shuffled: Vec<f64> = order.iter().flat_map(row).collect();
    let params = UmapParams::new().n_epochs(Epochs::Count(50));
    let one = fit(&params, 3, &rows);
    let other = fit(&params, 3, &shuffled);
    for (place, i) in other.embedding().chunks_exact(2).zip(order) {
        assert_eq!(bits(place), bits(&one.embedding()[2 * i..2 * i + 2]));
    }
}

#[test]
fn weights_and_copies_do_not_matter_but_rows_without_weight_are_new() {
    let rows = grouped(200, 3, 2, 7);
    let params = UmapParams::new().n_epochs(Epochs::Count(50));
    let once = fit(&params, 3, &rows);
    let weights = (0..200).map(|i| f64::from(i % 7 + 1)).collect();
    let weighted = params
        .fit(&Matrix::new(3, rows.clone(), weights).unwrap())
        .unwrap();
    let twice = fit(&params, 3, &[&rows[..], &rows[..]].concat());
    assert_eq!(bits(once.embedding()), bits(weighted.embedding()));
    assert_eq!(bits(once.embedding()), bits(&twice.embedding()[..400]));
    assert_eq!(bits(once.embedding()), bits(&twice.embedding()[400..]));
    assert_eq!(twice.n_distinct(), 200);

    let weights = (0..200).map(|i| if i < 150 { 1.0 } else { 0.0 }).collect();
    let partly = params
        .fit(&Matrix::new(3, rows.clone(), weights).unwrap())
        .unwrap();
    let heavy = fit(&params, 3, &rows[..450]);
    assert_eq!(bits(&partly.embedding()[..300]), bits(heavy.embedding()));
    let placed = heavy.transform(&rows[450..]).unwrap();
    assert_eq!(bits(&partly.embedding()[300..]), bits(&placed));
}

#[test]
fn new_rows_are_placed_one_by_one() {
    let (rows, new) = (grouped(500, 6, 3, 8), grouped(80, 6, 3, 9));
    let umap = fit(&UmapParams::new().n_components(3), 6, &rows);
    let together = umap.transform(&new).unwrap();
    let mut backwards: Vec<f32> = Vec::new();
    for row in new.chunks_exact(6).rev() {
        backwards.splice(0..0, umap.transform(row).unwrap());
    }
    assert_eq!(bits(&together), bits(&backwards));
    assert_eq!(umap.transform(&[]).unwrap(), []);
}

#[test]
fn fitted_rows_have_their_places_and_rows_beside_them_are_near() {
    let rows = grouped(600, 4, 3, 10);
    let umap = fit(&UmapParams::new(), 4, &rows);
    assert_eq!(
        bits(&umap.transform(&rows).unwrap()),
        bits(umap.embedding())
    );
    let beside: Vec<f64> = rows.iter().map(|x| x + 1e-6).collect();
    let placed = umap.transform(&beside).unwrap();
    let mut apart: Vec<f32> = placed
        .chunks_exact(2)
        .zip(umap.embedding().chunks_exact(2))
        .map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]))
        .collect();
    apart.sort_by(f32::total_cmp);
    // A group is several units wide.
    assert!(
        apart[300] < 0.5 && apart[570] < 1.5,
        "{} {}",
        apart[300],
        apart[570]
    );
}

#[test]
fn odd_matrices_are_fine() {
    let nan_free = |umap: &Umap, n: usize| {
        assert_eq!(umap.embedding().len(), n * umap.n_components());
        assert!(umap.embedding().iter().all(|x| x.is_finite()));
    };
    let params = UmapParams::new();
    // A single row, few rows, and fewer rows than components.
    for n in 1..8 {
        let line: Vec<f64> = (0..n).map(f64::from).collect();
        for components in [1, 2, 3, 7] {
            let umap = fit(&params.clone().n_components(components), 1, &line);
            nan_free(&umap, n as usize);
            let placed = umap.transform(&[0.5, 1e300, -7.0]).unwrap();
            assert!(placed.iter().all(|x| x.is_finite()), "{n} {components}");
        }
    }
    // Equal rows.
    nan_free(&fit(&params, 2, &[3.0; 60]), 30);
    // Constant columns and extreme values.
    let values: Vec<f64> = (0..50).flat_map(|i| [7.0, f64::from(i % 9), 0.0]).collect();
    nan_free(&fit(&params, 3, &values), 50);
    let extremes = [f64::MAX, -f64::MAX, 5e-324, 1.0, 0.0, -0.0, 1e-300, 3.0];
    for metric in [
        Metric::Euclidean,
        Metric::Chebyshev,
        Metric::Cosine,
        Metric::Correlation,
    ] {
        nan_free(&fit(&params.clone().metric(metric), 2, &extremes), 4);
    }
    // Graph components that no path connects: pairs of rows at increasing distances.
    let pairs: Vec<f64> = (0..40)
        .map(|i| f64::powi(3.0, i / 2) + f64::from(i % 2))
        .collect();
    let params = params.n_neighbors(2).init(Init::Spectral);
    nan_free(&fit(&params, 1, &pairs), 40);
    nan_free(&fit(&params.init(Init::Random), 1, &pairs), 40);
}

#[test]
fn parameters_shape_the_embedding() {
    let rows = grouped(400, 3, 1, 11);
    // Returns the root mean square distance from the centre.
    let extent = |params: UmapParams| {
        let umap = fit(&params, 3, &rows);
        let variance = |axis: usize| {
            let places = umap.embedding()[axis..].iter().step_by(2);
            let places = places.map(|x| f64::from(*x));
            let mean = places.clone().sum::<f64>() / 400.0;
            places.map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0
        };
        (variance(0) + variance(1)).sqrt()
    };
    let params = UmapParams::new();
    let plain = extent(params.clone());
    for (params, ratios) in [
        (params.clone().spread(3.0), 1.5..9.0),
        (params.clone().min_dist(0.9), 1.05..9.0),
        (params.clone().repulsion_strength(0.1), 0.0..0.9),
        (params.clone().negative_sample_rate(30), 1.1..9.0),
    ] {
        let ratio = extent(params.clone()) / plain;
        assert!(ratios.contains(&ratio), "{ratio} with {params:?}");
    }
    assert_ne!(plain, extent(params.clone().seed(1)));
    assert_eq!(plain, extent(params));
}

#[test]
fn what_cannot_be_embedded_is_refused_with_its_place() {
    let missing = Matrix::unweighted(2, vec![1.0, 2.0, 3.0, f64::NAN]).unwrap();
    let refused = UmapParams::new().fit(&missing).unwrap_err();
    assert_eq!(refused, UmapError::Missing { row: 1, column: 1 });
    let nothing = Matrix::new(1, vec![1.0], vec![0.0]).unwrap();
    let refused = UmapParams::new().fit(&nothing).unwrap_err();
    assert_eq!(refused, UmapError::NoRows { rows: 1 });
    let refused = UmapParams::new().n_neighbors(0).fit(&missing).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "n_neighbors must be from 2 to 4096, got 0"
    );

    let umap = fit(&UmapParams::new(), 2, &[1.0, 2.0, 3.0, 4.0]);
    let refused = umap.transform(&[1.0]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "1 values do not fill rows of 2 features"
    );
    for value in [f64::NAN, f64::INFINITY] {
        match umap.transform(&[0.0, 0.0, value, 0.0]).unwrap_err() {
            TransformError::NotFinite {
                row: 1, column: 0, ..
            } => {}
            other => panic!("{other}"),
        }
    }
}
