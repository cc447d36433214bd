//! Finds stop strings in a stream of text pieces and holds back text that might be the beginning of one.

#[derive(Debug)]
pub(super) struct StopScanner {
    stops: Vec<String>,
    held: String,
}

/// What a piece of text led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// Text that is certainly no part of a stop string; may be empty.
    Clear(String),
    /// A stop string was completed; the text before it.
    Stopped(String),
}

impl StopScanner {
    pub(super) fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, held: String::new() }
    }

    pub(super) fn push(&mut self, piece: &str) -> Scan {
        self.held.push_str(piece);
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop)).min();
        if let Some(start) = first {
            self.held.truncate(start);
            return Scan::Stopped(std::mem::take(&mut self.held));
        }
        let kept = self.longest_beginning();
        let text = self.held.drain(..self.held.len() - kept).collect();
        Scan::Clear(text)
    }

    /// The stream ended: what was held back is no stop string.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Length of the longest end of the held text with which a stop string begins.
    fn longest_beginning(&self) -> usize {
        let begins = |end: &str| self.stops.iter().any(|stop| stop.starts_with(end));
        self.held
            .char_indices()
            .filter_map(|(start, _)| self.held.get(start..))
            .find(|end| begins(end))
            .map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(stops: &[&str]) -> StopScanner {
        StopScanner::new(stops.iter().map(|&stop| stop.to_owned()).collect())
    }

    #[test]
    fn a_stop_string_split_over_pieces_is_found() {
        let mut scanner = scanner(&["\n\n", "END"]);
        assert_eq!(scanner.push("one\n"), Scan::Clear("one".into()));
        assert_eq!(scanner.push("two E"), Scan::Clear("\ntwo ".into()));
        assert_eq!(scanner.push("ND of it"), Scan::Stopped(String::new()));
    }

    #[test]
    fn the_earliest_of_several_stops_wins() {
        assert_eq!(scanner(&["c", "b"]).push("abc"), Scan::Stopped("a".into()));
    }

    #[test]
    fn held_text_comes_out_at_the_end() {
        let mut scanner = scanner(&["STOP"]);
        assert_eq!(scanner.push("ünd ST"), Scan::Clear("ünd ".into()));
        assert_eq!(scanner.finish(), "ST");
    }

    #[test]
    fn without_stops_nothing_is_held() {
        assert_eq!(scanner(&[""]).push("text"), Scan::Clear("text".into()));
    }
}
