//! Arithmetic on unit vectors.

/// Sum of products. Of unit vectors: their cosine.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The mean of vectors of one length.
pub fn mean<'a>(vectors: impl Iterator<Item = &'a [f32]>, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimensions];
    let mut count = 0.0_f32;
    for vector in vectors {
        for (total, value) in sum.iter_mut().zip(vector) {
            *total += value;
        }
        count += 1.0;
    }
    if count > 0.0 {
        sum.iter_mut().for_each(|total| *total /= count);
    }
    sum
}

/// Cosine of two vectors after the centre was subtracted from both: what they have in common with all others does not
/// count.
pub fn centred_cosine(a: &[f32], b: &[f32], centre: &[f32]) -> f32 {
    let (mut product, mut a_squared, mut b_squared) = (0.0_f32, 0.0_f32, 0.0_f32);
    for ((a, b), centre) in a.iter().zip(b).zip(centre) {
        let (a, b) = (a - centre, b - centre);
        product += a * b;
        a_squared += a * a;
        b_squared += b * b;
    }
    let norms = (a_squared * b_squared).sqrt();
    if norms > f32::EPSILON { product / norms } else { 0.0 }
}

/// Little-endian bytes, as stored.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// From stored bytes; a length that is no multiple of four loses its rest.
pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_share_does_not_count() {
        let (a, b, centre) = ([1.0, 0.1], [1.0, -0.1], [1.0, 0.0]);
        assert!(dot(&a, &b) > 0.9);
        assert!((centred_cosine(&a, &b, &centre) + 1.0).abs() < 1e-6);
        assert!(centred_cosine(&centre, &b, &centre).abs() < 1e-6);
    }

    #[test]
    fn bytes_read_back() {
        assert_eq!(from_bytes(&to_bytes(&[0.5, -2.0])), [0.5, -2.0]);
        assert_eq!(mean([[1.0, 3.0].as_slice(), &[3.0, 5.0]].into_iter(), 2), [2.0, 4.0]);
    }
}
