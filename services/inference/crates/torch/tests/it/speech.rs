//! Voice activity and speech recognition on real recordings.

use std::ops::ControlFlow;

use orrery_torch::ModelError;
use orrery_torch::silero::{SileroVad, SpanRules};
use orrery_torch::whisper::{SpeechMap, TranscribeOptions, Transcript, Whisper};

use crate::models::{CLIPS, recording, vad, whisper, whisper_files};

const SECOND: usize = 16_000;

fn transcribe(samples: &[f32]) -> Transcript {
    whisper().transcribe(samples, &TranscribeOptions::default(), |_| ControlFlow::Continue(())).unwrap()
}

/// Words in small letters without punctuation, the way the data set writes them.
fn words(text: &str) -> Vec<String> {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|character| if character.is_alphanumeric() || character == '\'' { character } else { ' ' })
        .collect();
    plain.split_whitespace().map(|word| if word == "mr" { "mister".into() } else { word.to_owned() }).collect()
}

/// Words to replace, insert or drop to get from one sequence to the other (Levenshtein).
fn word_errors(spoken: &[String], written: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=written.len()).collect();
    for (index, spoken) in spoken.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, written) in written.iter().enumerate() {
            let replaced = diagonal + usize::from(spoken != written);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[written.len()]
}

#[test]
fn at_most_seven_in_a_hundred_words_are_wrong() {
    let (mut errors, mut total) = (0, 0);
    for (name, spoken) in CLIPS {
        let samples = recording(name);
        let transcript = transcribe(&samples);
        let spoken = words(spoken);
        errors += word_errors(&spoken, &words(&transcript.text));
        total += spoken.len();
        for segment in &transcript.segments {
            assert!(segment.start_ms < segment.end_ms && segment.end_ms <= transcript.duration_ms);
            assert!((0.3..=1.0).contains(&segment.confidence()), "{segment:?}");
        }
    }
    assert!(errors * 100 <= total * 7, "{errors} of {total} words are wrong");
}

/// Two windows: what the first cuts off is heard again, times go on counting, and every clip's words are there.
#[test]
fn a_recording_longer_than_a_window_is_heard_to_its_end() {
    let mut samples = Vec::new();
    let mut spoken = Vec::new();
    for (name, text) in CLIPS.iter().chain(&CLIPS[..2]) {
        samples.extend(recording(name));
        samples.extend([0.0; SECOND / 2]);
        spoken.extend(words(text));
    }
    assert!(samples.len() > 30 * SECOND);
    let transcript = transcribe(&samples);
    let errors = word_errors(&spoken, &words(&transcript.text));
    assert!(errors * 100 <= spoken.len() * 12, "{errors} of {} words: {}", spoken.len(), transcript.text);
    assert!(transcript.segments.is_sorted_by_key(|segment| segment.start_ms));
    assert!(transcript.segments.last().is_some_and(|segment| segment.end_ms > 31_000));
}

#[test]
fn a_caller_that_leaves_ends_the_transcription() {
    let mut samples = recording(CLIPS[1].0);
    samples.extend(vec![0.0; 40 * SECOND]);
    let transcript = whisper().transcribe(&samples, &TranscribeOptions::default(), |_| ControlFlow::Break(()));
    assert!(transcript.unwrap().cancelled);
}

#[test]
fn nothing_and_too_much_are_told_apart_from_speech() {
    assert_eq!(transcribe(&[]).segments, []);
    assert_eq!(transcribe(&[0.0; 1000]).segments, []);
    assert_eq!(transcribe(&[0.0; 20 * SECOND]).segments, []);
    let endless = vec![0.0; 3 * 60 * 60 * SECOND];
    let refused = whisper().transcribe(&endless, &TranscribeOptions::default(), |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(ModelError::InvalidInput(_))));
    let refused = whisper().transcribe(&[], &TranscribeOptions { beam_width: 0 }, |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(ModelError::InvalidInput(_))));
}

#[test]
fn silence_and_noise_are_no_speech() {
    let mut vad = vad();
    let rules = SpanRules::default();
    assert_eq!(vad.detect(&[0.0; 5 * SECOND], &rules).unwrap(), []);
    assert_eq!(vad.detect(&[], &rules).unwrap(), []);
    let noise: Vec<f32> = (0_u32..(5 * SECOND as u32))
        .map(|index| f64::from(index.wrapping_mul(2_654_435_761)) as f32 / u32::MAX as f32 * 0.02 - 0.01)
        .collect();
    assert_eq!(vad.detect(&noise, &rules).unwrap(), []);
}

/// The published helper finds 226 to 2878 ms in this clip.
#[test]
fn speech_is_found_where_the_published_helper_finds_it() {
    let clip = recording(CLIPS[1].0);
    let mut samples = clip.clone();
    samples.extend([0.0; 2 * SECOND]);
    samples.extend(&clip);
    let mut vad = vad();
    let alone = vad.detect(&clip, &SpanRules::default()).unwrap();
    let times: Vec<(u64, u64)> = alone.iter().map(|span| (span.start_ms, span.end_ms)).collect();
    assert_eq!(times, [(226, 2878)]);

    let twice = vad.detect(&samples, &SpanRules::default()).unwrap();
    assert_eq!(twice.len(), 2);
    let map = SpeechMap::collect(&samples, &twice);
    assert!(map.samples().len() < samples.len() - SECOND);
    assert!(map.original_end_ms((map.samples().len() / 16) as u64) <= (samples.len() / 16) as u64);
}

#[test]
fn malformed_files_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("vad.jit");
    std::fs::write(&archive, b"PK not an archive").unwrap();
    assert!(matches!(SileroVad::load(&archive, tch::Device::Cpu), Err(ModelError::Corrupt { .. })));

    let mut files = whisper_files();
    files.weights = folder.path().join("model.bin");
    std::fs::write(&files.weights, &std::fs::read(whisper_files().weights).unwrap()[..100_000]).unwrap();
    assert!(matches!(Whisper::load(&files, tch::Device::Cpu), Err(ModelError::Corrupt { .. })));
}
