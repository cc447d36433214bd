//! Transcripts as SubRip and WebVTT.

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// Milliseconds from the beginning.
    pub start_ms: u64,
    /// Milliseconds from the beginning.
    pub end_ms: u64,
    /// What was said.
    pub text: String,
}

/// SubRip: numbered cues, a comma before the milliseconds.
pub fn srt(cues: &[Cue]) -> String {
    let cue = |(index, cue): (usize, &Cue)| {
        let (start, end) = (clock(cue.start_ms, ','), clock(cue.end_ms, ','));
        format!("{}\n{start} --> {end}\n{}\n", index + 1, one_block(&cue.text))
    };
    cues.iter().enumerate().map(cue).collect::<Vec<_>>().join("\n")
}

/// WebVTT: a heading, and a point before the milliseconds.
pub fn vtt(cues: &[Cue]) -> String {
    let cue = |cue: &Cue| {
        let (start, end) = (clock(cue.start_ms, '.'), clock(cue.end_ms, '.'));
        // An arrow in the text would begin a cue.
        format!("\n{start} --> {end}\n{}\n", one_block(&cue.text).replace("-->", "->"))
    };
    format!("WEBVTT\n{}", cues.iter().map(cue).collect::<String>())
}

fn clock(millis: u64, separator: char) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}{separator}{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000)
}

/// An empty line would end the cue.
fn one_block(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_have_clocks_and_no_empty_lines() {
        let cues = [
            Cue { start_ms: 0, end_ms: 1_500, text: "hello\n\nthere".to_owned() },
            Cue { start_ms: 3_661_007, end_ms: 3_662_000, text: "a --> b".to_owned() },
        ];
        assert_eq!(
            srt(&cues),
            "1\n00:00:00,000 --> 00:00:01,500\nhello\nthere\n\n2\n01:01:01,007 --> 01:01:02,000\na --> b\n"
        );
        assert_eq!(
            vtt(&cues),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nhello\nthere\n\n01:01:01.007 --> 01:01:02.000\na -> b\n"
        );
    }
}
