//! Recordings into what speech models hear: mono samples at 16 kHz. Decoding stops at the time limit, so a long recording
//! costs no more than the limit allows.

use std::io::Cursor;
use std::sync::LazyLock;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::AdapterError;

/// Samples per second that speech models take.
pub const SPEECH_RATE: u32 = 16_000;
/// Frames that the resampler works on at once.
const RESAMPLE_CHUNK: usize = 4096;
/// A recording that lacks more than a hundredth of the length in its own header, and more than a tenth of a second, was
/// cut off. Encoders pad and trim within that.
const MISSING_DIVISOR: u64 = 100;

static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    codecs
});

/// A decoded recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Mono, [`SPEECH_RATE`], -1 to 1.
    pub samples: Vec<f32>,
    /// Packets that could not be decoded and were left out.
    pub damaged_packets: usize,
    /// The file ends before the length that its header gives.
    pub cut_off: bool,
}

/// Decodes any supported recording. `media_type` is named in errors.
pub fn decode_mono(bytes: &[u8], media_type: &'static str, seconds_max: u64) -> Result<Recording, AdapterError> {
    let damaged = |reason: String| AdapterError::Damaged { media_type, reason };
    // The demuxer wants an owner for its bytes; one copy of a compressed recording is cheap.
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes.to_vec())), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|fault| damaged(fault.to_string()))?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| damaged("it has no sound track".to_owned()))?;
    let (track_id, announced) = (track.id, track.num_frames);
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| damaged("its sound track names no codec".to_owned()))?;
    if let (Some(frames), Some(rate)) = (announced, parameters.sample_rate)
        && frames > seconds_max.saturating_mul(u64::from(rate))
    {
        return Err(AdapterError::TooLong { limit: seconds_max });
    }
    let mut decoder = CODECS
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|fault| damaged(fault.to_string()))?;
    let decoded = drain(format.as_mut(), decoder.as_mut(), track_id, seconds_max, &damaged)?;
    let (Some(rate), false) = (decoded.rate, decoded.mono.is_empty()) else {
        return match decoded.damaged_packets {
            0 => Err(AdapterError::NoSamples),
            count => Err(damaged(format!("none of its {count} packets can be decoded"))),
        };
    };
    let missing = announced.unwrap_or(0).saturating_sub(decoded.mono.len() as u64);
    let tolerated = (announced.unwrap_or(0) / MISSING_DIVISOR).max(u64::from(rate) / 10);
    Ok(Recording {
        samples: resample(decoded.mono, rate).map_err(damaged)?,
        damaged_packets: decoded.damaged_packets,
        cut_off: decoded.broke_off || missing > tolerated,
    })
}

/// Mono samples at the recording's own rate.
#[derive(Debug, Default)]
struct Decoded {
    mono: Vec<f32>,
    rate: Option<u32>,
    damaged_packets: usize,
    broke_off: bool,
}

fn drain(
    format: &mut dyn FormatReader,
    decoder: &mut dyn AudioDecoder,
    track_id: u32,
    seconds_max: u64,
    damaged: &dyn Fn(String) -> AdapterError,
) -> Result<Decoded, AdapterError> {
    let mut decoded = Decoded::default();
    let mut interleaved: Vec<f32> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(decoded),
            Err(Error::IoError(fault)) if fault.kind() == std::io::ErrorKind::UnexpectedEof => {
                decoded.broke_off = true;
                return Ok(decoded);
            }
            Err(fault) => return Err(damaged(fault.to_string())),
        };
        if packet.track_id != track_id {
            continue;
        }
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(Error::DecodeError(_) | Error::IoError(_)) => {
                decoded.damaged_packets += 1;
                continue;
            }
            Err(fault) => return Err(damaged(fault.to_string())),
        };
        let rate = buffer.spec().rate();
        if *decoded.rate.get_or_insert(rate) != rate {
            return Err(damaged("its sample rate changes on the way".to_owned()));
        }
        let channels = buffer.num_planes().max(1);
        buffer.copy_to_vec_interleaved(&mut interleaved);
        let mixed = interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32);
        decoded.mono.extend(mixed);
        if decoded.mono.len() as u64 > seconds_max.saturating_mul(u64::from(rate)) {
            return Err(AdapterError::TooLong { limit: seconds_max });
        }
    }
}

fn resample(mono: Vec<f32>, rate: u32) -> Result<Vec<f32>, String> {
    if rate == SPEECH_RATE {
        return Ok(mono);
    }
    let frames = mono.len();
    let mut resampler = Fft::<f32>::new(rate as usize, SPEECH_RATE as usize, RESAMPLE_CHUNK, 1, FixedSync::Input)
        .map_err(|fault| fault.to_string())?;
    let input = InterleavedSlice::new(&mono, 1, frames).map_err(|fault| fault.to_string())?;
    let output = resampler.process_all(&input, frames, None).map_err(|fault| fault.to_string())?;
    Ok(output.take_data())
}
