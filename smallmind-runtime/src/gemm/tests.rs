use super::*;
use crate::Level;

fn values(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + seed * 11) % 61) as f32 / 61.0 - 0.5).collect()
}

fn product(gemm: &mut Gemm, a: MatrixView<'_>, b: MatrixView<'_>) -> Vec<f32> {
    let mut c = vec![f32::NAN; a.rows() * b.cols()];
    gemm.multiply(a, b, &mut c, &CancellationToken::new()).expect("shapes fit");
    c
}

#[test]
fn products_are_right_whatever_the_shape_the_level_and_the_threads() {
    let sizes = [1, 2, 13, 16, 33, 97, 300];
    let shapes = sizes.iter().flat_map(|m| sizes.map(|k| (*m, k))).chain([(5, 700)]);
    for (m, k) in shapes {
        let n = sizes[(m + k) % sizes.len()];
        let (a, b) = (values(1, m * k), values(2, k * n));
        let exact = |i: usize, j: usize| -> f64 {
            (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j])).sum()
        };
        for level in Level::ALL.into_iter().filter_map(Kernels::new) {
            let mut one = Gemm::with(level, 1).expect("a thread");
            let view = |data, rows, cols| MatrixView::new(data, rows, cols).expect("fits");
            let c = product(&mut one, view(&a, m, k), view(&b, k, n));
            for (at, c) in c.iter().enumerate() {
                let error = (f64::from(*c) - exact(at / n, at % n)).abs();
                assert!(error < 1e-4, "{m} {k} {n} at {at}: {c}");
            }
            let mut three = Gemm::with(level, 3).expect("threads");
            assert_eq!(c, product(&mut three, view(&a, m, k), view(&b, k, n)));
            let turned = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
                (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect()
            };
            let (at, bt) = (turned(&a, m, k), turned(&b, k, n));
            let t = |data, rows, cols| view(data, rows, cols).transposed();
            let turned = product(&mut three, t(&at, k, m), t(&bt, n, k));
            for (a, b) in c.iter().zip(&turned) {
                assert!((a - b).abs() < 1e-4, "{m} {k} {n}: {a} {b}");
            }
        }
    }
}

#[test]
fn more_of_a_matrix_than_is_packed_at_a_time() {
    let [m, k, n] = [1100, 4000, 50];
    let (a, b) = (values(1, m * k), values(2, k * n));
    let view = |data, rows, cols| MatrixView::new(data, rows, cols).expect("fits");
    let mut gemm = Gemm::new(Some(2)).expect("threads");
    let c = product(&mut gemm, view(&a, m, k), view(&b, k, n));
    for i in (0..m).step_by(37).chain(m - 60..m) {
        let j = i % n;
        let terms = (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j]));
        let error = (f64::from(c[i * n + j]) - terms.sum::<f64>()).abs();
        assert!(error < 1e-3, "{i} {j}: {error}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let mut gemm = Gemm::new(Some(1)).expect("a thread");
    let (a, b) = (values(1, 6), values(2, 6));
    assert!(matches!(MatrixView::new(&a, 4, 2), Err(Error::MatrixShape { expected: 8, .. })));
    let a = MatrixView::new(&a, 2, 3).expect("fits");
    let b = MatrixView::new(&b, 2, 3).expect("fits");
    let never = CancellationToken::new();
    let refused = gemm.multiply(a, b, &mut [0.0; 6], &never);
    assert!(matches!(refused, Err(Error::MatrixShape { expected: 3, found: 2, .. })));
    let refused = gemm.multiply(a, b.transposed(), &mut [0.0; 3], &never);
    assert!(matches!(refused, Err(Error::MatrixShape { expected: 4, found: 3, .. })));
}
