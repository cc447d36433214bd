//! Which texts go through the network together: similar lengths, so that little of the work is padding.

/// Padded tokens in one batch. Its intermediate values stay within the processor's caches.
const BATCH_TOKENS_MAX: usize = 1024;

/// A batch ends where the next text is so much shorter that padding it costs more than another pass.
const WASTE_DIVISOR: usize = 8;

/// Groups texts, given as token counts, into batches of indices, longest first.
pub(super) fn plan(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<(usize, usize)> = lengths.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for (length, index) in order {
        match batches.last_mut() {
            Some(batch)
                if (batch.len() + 1) * longest <= BATCH_TOKENS_MAX
                    && longest - length <= longest / WASTE_DIVISOR + 2 =>
            {
                batch.push(index);
            }
            _ => {
                longest = length;
                batches.push(vec![index]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_exactly_one_batch_within_the_limits() {
        let lengths: Vec<usize> = (0..300).map(|index| 3 + (index * 37) % 254).collect();
        let batches = plan(&lengths);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        for batch in &batches {
            let members = || batch.iter().filter_map(|&index| lengths.get(index));
            let longest = members().max().copied().unwrap_or(0);
            let shortest = members().min().copied().unwrap_or(0);
            assert!(longest * batch.len() <= BATCH_TOKENS_MAX);
            assert!(longest - shortest <= longest / WASTE_DIVISOR + 2);
        }
    }

    #[test]
    fn no_texts_make_no_batch() {
        assert!(plan(&[]).is_empty());
    }
}
