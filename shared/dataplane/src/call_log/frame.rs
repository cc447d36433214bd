//! Frames of the call log: length, checksum, kind, payload. A frame that a crash cut short does not check and ends the
//! segment.

use orrery_proto::v1::CallRecord;
use prost::Message as _;

/// Length (u32), CRC-32 of kind and payload (u32), kind (u8).
const HEAD_BYTES: usize = 9;
/// Longer ones are no frames: a record is some kilobytes.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// What a frame says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// A provider is about to be asked. What it may cost at most stands in the record.
    Began(CallRecord),
    /// The call is over.
    Ended(CallRecord),
    /// The call is over and is recorded elsewhere; its id.
    Settled(String),
}

/// Appends the frame of a call that began.
pub(super) fn began(record: &CallRecord, into: &mut Vec<u8>) {
    write(1, into, |payload| record.encode(payload).is_ok());
}

/// Appends the frame of a call that ended.
pub(super) fn ended(record: &CallRecord, into: &mut Vec<u8>) {
    write(2, into, |payload| record.encode(payload).is_ok());
}

/// Appends the frame of a call that is recorded elsewhere.
pub(super) fn settled(id: &str, into: &mut Vec<u8>) {
    write(3, into, |payload| {
        payload.extend_from_slice(id.as_bytes());
        true
    });
}

fn write(kind: u8, into: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>) -> bool) {
    let start = into.len();
    into.extend_from_slice(&[0; HEAD_BYTES - 1]);
    into.push(kind);
    // Encoding into a growing vector has nothing to fail on.
    let _written = payload(into);
    let length = u32::try_from(into.len() - start - HEAD_BYTES).unwrap_or(u32::MAX);
    let checksum = crc32fast::hash(into.get(start + HEAD_BYTES - 1..).unwrap_or_default());
    if let Some(head) = into.get_mut(start..start + 8) {
        let mut fields = [0; 8];
        for (at, byte) in length.to_le_bytes().into_iter().chain(checksum.to_le_bytes()).enumerate() {
            if let Some(field) = fields.get_mut(at) {
                *field = byte;
            }
        }
        head.copy_from_slice(&fields);
    }
}

/// The first frame and its length in bytes; none when there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<(Entry, usize)> {
    let length = usize::try_from(u32::from_le_bytes(*bytes.first_chunk::<4>()?)).ok()?;
    let checksum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk::<4>()?);
    if length > FRAME_BYTES_MAX {
        return None;
    }
    let checked = bytes.get(HEAD_BYTES - 1..HEAD_BYTES + length)?;
    if crc32fast::hash(checked) != checksum {
        return None;
    }
    let (kind, payload) = checked.split_first()?;
    let entry = match kind {
        1 => Entry::Began(CallRecord::decode(payload).ok()?),
        2 => Entry::Ended(CallRecord::decode(payload).ok()?),
        3 => Entry::Settled(String::from_utf8(payload.to_vec()).ok()?),
        _ => return None,
    };
    Some((entry, HEAD_BYTES + length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_read_back_and_a_cut_one_is_none() {
        let record = CallRecord { id: "dec_1".into(), attempts: 2, ..CallRecord::default() };
        let mut bytes = Vec::new();
        began(&record, &mut bytes);
        let first = bytes.len();
        settled("dec_1", &mut bytes);
        assert_eq!(read(&bytes).unwrap(), (Entry::Began(record), first));
        assert_eq!(read(&bytes[first..]).unwrap().0, Entry::Settled("dec_1".into()));
        for cut in 0..first {
            assert_eq!(read(&bytes[..cut]), None, "cut at {cut}");
        }
        bytes[first - 1] ^= 1;
        assert_eq!(read(&bytes), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _read = read(&bytes);
        }
    }
}
