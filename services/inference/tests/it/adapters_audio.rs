//! Recordings of every format, rate and channel count. The listener measures the pitch of what reaches it, so a wrong rate,
//! a wrong mix or a lost channel is heard.

use std::sync::Arc;

use orrery_adapters::{AdapterError, Input, Limits, Registry, Resources, SPEECH_RATE};
use orrery_content::capability::{CapabilityError, Interrupt, SpeechEngine, SpokenSegment};
use orrery_content::{Content, Modality, ModelIdentity};
use orrery_errors::ErrorCode;

use crate::ocr_engine::fixture;

/// Says the pitch that it hears, by counting upward zero crossings.
struct Listener;

impl SpeechEngine for Listener {
    fn transcribe(&self, samples: &[f32], _interrupt: Interrupt<'_>) -> Result<Vec<SpokenSegment>, CapabilityError> {
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        let pitch = crossings as f32 * SPEECH_RATE as f32 / samples.len() as f32;
        let end_ms = samples.len() as u64 * 1000 / u64::from(SPEECH_RATE);
        Ok(vec![SpokenSegment { text: format!(" {pitch:.0} "), confidence: 0.8, start_ms: 0, end_ms }])
    }

    fn models(&self) -> Vec<ModelIdentity> {
        vec![ModelIdentity { name: "listener".into(), version: "1".into(), digest: "sha256:none".into() }]
    }
}

/// Hears nothing in anything.
struct Deaf;

impl SpeechEngine for Deaf {
    fn transcribe(&self, _samples: &[f32], interrupt: Interrupt<'_>) -> Result<Vec<SpokenSegment>, CapabilityError> {
        interrupt.check()?;
        Ok(Vec::new())
    }

    fn models(&self) -> Vec<ModelIdentity> {
        Vec::new()
    }
}

fn read_with(speech: Arc<dyn SpeechEngine>, bytes: &[u8], media_type: &str) -> Result<Content, AdapterError> {
    let limits = Limits { audio_seconds_max: 10, ..Limits::default() };
    let resources = Resources { speech: Some(speech), limits, ..Resources::default() };
    Registry::new(&resources).read(Input { bytes, media_type, schema: None, interrupt: Interrupt::NEVER })
}

fn read(bytes: &[u8], media_type: &str) -> Result<Content, AdapterError> {
    read_with(Arc::new(Listener), bytes, media_type)
}

#[derive(Clone, Copy)]
enum Sample {
    Int16,
    Int24,
    Float32,
}

/// A WAV file with the same sound on every channel.
fn wav(rate: u32, channels: u16, sample: Sample, sound: impl Iterator<Item = f32>) -> Vec<u8> {
    let (tag, bytes_each): (u16, u16) = match sample {
        Sample::Int16 => (1, 2),
        Sample::Int24 => (1, 3),
        Sample::Float32 => (3, 4),
    };
    let mut data = Vec::new();
    for value in sound {
        for _ in 0..channels {
            match sample {
                Sample::Int16 => data.extend(((value * 32_767.0) as i16).to_le_bytes()),
                Sample::Int24 => data.extend(&((value * 8_388_607.0) as i32).to_le_bytes()[..3]),
                Sample::Float32 => data.extend(value.to_le_bytes()),
            }
        }
    }
    let block = channels * bytes_each;
    let mut out = b"RIFF".to_vec();
    out.extend((36 + data.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0");
    out.extend(tag.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend((rate * u32::from(block)).to_le_bytes());
    out.extend(block.to_le_bytes());
    out.extend((bytes_each * 8).to_le_bytes());
    out.extend(b"data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}

fn tone(rate: u32, seconds: f32) -> impl Iterator<Item = f32> {
    (0..(rate as f32 * seconds) as u32)
        .map(move |n| 0.5 * (n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin())
}

fn assert_tone(content: &Content, duration_ms: u64, what: &str) {
    let heard: f32 = content.segments[0].text.parse().unwrap();
    assert!((heard - 440.0).abs() <= 8.0, "{what}: heard {heard} Hz");
    let duration = content.duration_ms.unwrap();
    assert!(duration.abs_diff(duration_ms) <= 60, "{what}: {duration} ms");
    assert_eq!(content.modality, Modality::Audio, "{what}");
    assert!(content.warnings.is_empty(), "{what}: {:?}", content.warnings);
}

#[test]
fn wav_of_every_rate_width_and_channel_count() {
    for (rate, channels, sample) in [
        (8_000, 1, Sample::Int16),
        (16_000, 1, Sample::Int16),
        (22_050, 1, Sample::Int24),
        (44_100, 2, Sample::Float32),
        (48_000, 6, Sample::Int16),
    ] {
        let content = read(&wav(rate, channels, sample, tone(rate, 0.5)), "audio/wav").unwrap();
        assert_tone(&content, 500, &format!("{rate} Hz, {channels} channels"));
        let (start, end) = content.segments[0].span_ms.unwrap();
        assert!(start == 0 && end == content.duration_ms.unwrap());
        assert_eq!(content.models[0].name, "listener");
    }
}

#[test]
fn every_compressed_format() {
    for (name, media_type) in [
        ("tone_44100_stereo.flac", "audio/flac"),
        ("tone_22050_mono.mp3", "audio/mpeg"),
        ("tone_48000_stereo.ogg", "audio/ogg"),
        ("tone_48000_mono.opus", "audio/opus"),
    ] {
        assert_tone(&read(&fixture(name), media_type).unwrap(), 500, name);
    }
}

#[test]
fn silence_is_an_empty_transcript_with_a_warning_and_no_model_is_asked() {
    let silent = wav(16_000, 1, Sample::Int16, std::iter::repeat_n(0.0, 16_000));
    let content = read(&silent, "audio/wav").unwrap();
    assert!(content.segments.is_empty() && content.models.is_empty());
    assert_eq!(content.warnings[0].code, "no_speech");
    let noise = wav(16_000, 1, Sample::Int16, tone(16_000, 0.5));
    let content = read_with(Arc::new(Deaf), &noise, "audio/wav").unwrap();
    assert_eq!(content.warnings[0].code, "no_speech");
}

#[test]
fn a_recording_above_the_limit_is_refused() {
    let long = wav(8_000, 1, Sample::Int16, std::iter::repeat_n(0.1, 8_000 * 11));
    let fault = read(&long, "audio/wav").unwrap_err();
    assert_eq!(fault, AdapterError::TooLong { limit: 10 });
    assert_eq!(fault.code(), ErrorCode::PayloadTooLarge);
}

#[test]
fn a_recording_without_samples_is_refused() {
    let fault = read(&wav(16_000, 1, Sample::Int16, std::iter::empty()), "audio/wav").unwrap_err();
    assert_eq!(fault, AdapterError::NoSamples);
}

#[test]
fn a_cut_recording_is_read_with_a_warning() {
    let whole = wav(16_000, 1, Sample::Int16, tone(16_000, 1.0));
    let content = read(&whole[..whole.len() / 2], "audio/wav").unwrap();
    assert_eq!(content.warnings[0].code, "cut_off");
    assert!(content.duration_ms.unwrap().abs_diff(500) < 60);
}

#[test]
fn noise_under_an_audio_header_is_damaged() {
    let mut bytes = fixture("tone_44100_stereo.flac");
    bytes.truncate(30);
    let fault = read(&bytes, "audio/flac").unwrap_err();
    assert!(matches!(fault, AdapterError::Damaged { .. }), "{fault}");
    let fault = read(&fixture("tone_44100_stereo.flac"), "audio/wav").unwrap_err();
    assert_eq!(fault, AdapterError::Contradiction { declared: "audio/wav".into(), found: "audio/flac".into() });
}

#[test]
fn nobody_waits_so_nothing_is_transcribed() {
    let noise = wav(16_000, 1, Sample::Int16, tone(16_000, 0.5));
    let resources = Resources { speech: Some(Arc::new(Deaf)), ..Resources::default() };
    let interrupt = Interrupt::new(&|| true);
    let input = Input { bytes: &noise, media_type: "audio/wav", schema: None, interrupt };
    let fault = Registry::new(&resources).read(input).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::Cancelled);
}
