//! Whether a JPEG is all there. Decoders paint what is missing grey and say nothing, and a form whose lower half is grey
//! must not count as read. Follows the marker structure of ITU-T T.81, annex B.

const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;

/// Whether the stream runs through to its end-of-image marker.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let [0xFF, 0xD8, rest @ ..] = bytes else { return false };
    let mut rest = rest;
    loop {
        match rest {
            // Fill bytes before a marker.
            [0xFF, 0xFF, ..] => rest = rest.get(1..).unwrap_or_default(),
            [0xFF, END_OF_IMAGE, ..] => return true,
            // Markers without a length: restarts and the temporary one.
            [0xFF, 0xD0..=0xD7 | 0x01, after @ ..] => rest = after,
            [0xFF, marker, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(after) = rest.get(2 + length..) else { return false };
                rest = if *marker == START_OF_SCAN { skip_scan(after) } else { after };
            }
            _ => return false,
        }
    }
}

/// Skips entropy-coded data: up to the next marker that is neither a stuffed byte nor a restart.
fn skip_scan(bytes: &[u8]) -> &[u8] {
    let marker = bytes
        .windows(2)
        .position(|pair| matches!(pair, [0xFF, second] if !matches!(second, 0x00 | 0xD0..=0xD7 | 0xFF)));
    marker.and_then(|at| bytes.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x04, 0xFF, 0xD9, // a segment that holds what looks like an end
        0xFF, 0xDA, 0x00, 0x02, 0x11, 0xFF, 0x00, 0x22, 0xFF, 0xD0,
        0x33, // a scan with a stuffed byte and a restart
        0xFF, 0xD9,
    ];

    #[test]
    fn complete_only_with_its_last_marker() {
        assert!(is_complete(SMALL));
        for length in 0..SMALL.len() {
            assert!(!is_complete(SMALL.get(..length).unwrap_or_default()), "cut at {length}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_no_fault() {
        assert!(is_complete(&[SMALL, &[0, 1, 2]].concat()));
    }
}
