//! Products of many rows of bytes with one vector: what a search for near
//! vectors reads.

use crate::Error;
use crate::kernels::Kernels;

/// The dot product of `query` with each row of `query.len()` bytes, in 32 bits:
/// sums that are larger wrap.
///
/// ```
/// let mut products = [0; 2];
/// smallmind_runtime::dots_of_bytes(&[1, -2, 3, 0, 1, 1], &[10, 20, 300], &mut products)?;
/// assert_eq!(products, [870, 320]);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
///
/// # Errors
/// [`Error::MatrixShape`] where `rows` are not `products.len()` rows;
/// [`Error::KernelsUnavailable`].
pub fn dots_of_bytes(rows: &[i8], query: &[i16], products: &mut [i32]) -> Result<(), Error> {
    let (expected, found) = (products.len().saturating_mul(query.len()), rows.len());
    if expected != found {
        return Err(Error::MatrixShape { what: "bytes of rows", expected, found });
    }
    match query {
        [] => products.fill(0),
        _ => Kernels::best()?.dots_of_bytes(rows, query, products),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Level;
    use smallmind_testkit::Random;

    #[test]
    fn every_level_has_the_sums_of_the_definition() {
        let mut random = Random::new(5);
        for cols in [1, 7, 16, 31, 384, 1000] {
            let rows: Vec<i8> = (0..cols * 9).map(|_| random.bits() as i8).collect();
            let query: Vec<i16> = (0..cols).map(|_| random.bits() as i16).collect();
            let exact = |row: &[i8]| {
                let products = row.iter().zip(&query).map(|(a, b)| i64::from(*a) * i64::from(*b));
                products.sum::<i64>() as i32
            };
            let exact: Vec<_> = rows.chunks_exact(cols).map(exact).collect();
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let mut found = vec![0; 9];
                Kernels::of(level).unwrap().dots_of_bytes(&rows, &query, &mut found);
                assert_eq!(found, exact, "{level}, {cols} columns");
            }
        }
    }

    #[test]
    fn rows_of_another_length_are_refused() {
        assert!(dots_of_bytes(&[1; 5], &[1, 2], &mut [0; 2]).is_err());
        let mut products = [1; 2];
        dots_of_bytes(&[], &[], &mut products).unwrap();
        assert_eq!(products, [0; 2]);
    }
}
