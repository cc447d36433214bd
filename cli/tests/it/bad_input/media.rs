//! Files made on the spot.

use crate::live::example;

/// A form of the example that ends in the middle.
pub fn truncated_jpeg() -> Vec<u8> {
    let mut bytes = std::fs::read(example().join("packets/C001/form.jpg")).unwrap();
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// A PNG whose header promises so many pixels, and hardly any of them: nothing may be decoded of one that is too large.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([1, 0, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", b"\x78\x9c\x03\0"), chunk(b"IEND", b"")]
        .concat()
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let checked = [kind, data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], &checked, &crc32(&checked).to_be_bytes()].concat()
}

/// The checksum of PNG chunks (PNG specification, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A WAV file of 16-bit mono samples.
pub fn wav(rate: u32, samples: &[u8]) -> Vec<u8> {
    let size = u32::try_from(samples.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((size + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(rate.to_le_bytes());
    wav.extend((rate * 2).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(size.to_le_bytes());
    wav.extend(samples);
    wav
}

/// Seconds in which nothing is heard.
pub fn silence(seconds: usize) -> Vec<u8> {
    wav(8_000, &vec![0; 8_000 * 2 * seconds])
}

/// The voice note of a packet, said over and over until so many seconds are full.
pub fn speech(seconds: usize) -> Vec<u8> {
    let note = std::fs::read(example().join("packets/C001/note.wav")).unwrap();
    let rate = u32::from_le_bytes(note[24..28].try_into().unwrap());
    let begin = note.windows(4).position(|four| four == b"data").unwrap() + 8;
    let samples: Vec<u8> = note[begin..].iter().copied().cycle().take(rate as usize * 2 * seconds).collect();
    wav(rate, &samples)
}
