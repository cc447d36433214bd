//! The file of the catalogue, watched while the router runs. It owns when a changed file is judged; what it says is judged as
//! a whole by `orrery_routing::catalogue_file` and by the making of its providers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use orrery_routing::catalogue::Catalogue;
use orrery_routing::catalogue_file;
use orrery_types::Sha256Digest;

use crate::config::RouterConfig;
use crate::error::StartError;

/// A changed file is left alone until it has stayed the same for so long: one that is being written may read well and lack its
/// end.
const SETTLES: Duration = Duration::from_millis(900);

/// What a look at the file has found.
#[derive(Debug)]
pub enum Look {
    /// Nothing that has not been judged.
    Same,
    /// Another text, which was read.
    Changed(Box<Catalogue>),
    /// Another text, or none, that does not hold.
    Bad(String),
}

/// The file, or the catalogue that is compiled in and never changes.
#[derive(Debug)]
pub struct CatalogueFile {
    path: Option<PathBuf>,
    settled: Settled,
}

impl CatalogueFile {
    /// Reads the catalogue to begin with. Blocks on the file system.
    pub fn open(settings: &RouterConfig) -> Result<(Catalogue, Self), StartError> {
        let text = settings.catalogue_text()?;
        let catalogue = catalogue_file::parse(&text)?;
        let settled = Settled { judged: Some(Sha256Digest::of(text.as_bytes())), seen: None };
        Ok((catalogue, Self { path: settings.catalogue.clone(), settled }))
    }

    /// Where it lies; none for the one that is compiled in.
    pub fn path(&self) -> Option<String> {
        self.path.as_ref().map(|path| path.display().to_string())
    }

    /// The next look judges what is there once more.
    pub fn judge_again(&mut self) {
        self.settled.judged = None;
    }

    /// Looks whether it has changed. `at_once` does not wait until it has settled.
    pub async fn look(&mut self, now: Instant, at_once: bool) -> Look {
        let Some(path) = &self.path else { return Look::Same };
        let read = tokio::fs::read_to_string(path).await.map_err(|error| format!("it cannot be read: {error}"));
        // Whoever replaces a file may take it away first: that it is gone has to settle, too.
        let (Ok(found) | Err(found)) = &read;
        if !self.settled.is_due(Sha256Digest::of(found.as_bytes()), now, at_once) {
            return Look::Same;
        }
        let parsed = read.and_then(|text| catalogue_file::parse(&text).map_err(|error| error.to_string()));
        parsed.map_or_else(Look::Bad, |catalogue| Look::Changed(Box::new(catalogue)))
    }
}

/// When what lies there is judged: once, and after it has stayed the same for a while.
#[derive(Debug)]
struct Settled {
    judged: Option<Sha256Digest>,
    /// What was seen last, and since when.
    seen: Option<(Sha256Digest, Instant)>,
}

impl Settled {
    fn is_due(&mut self, found: Sha256Digest, now: Instant, at_once: bool) -> bool {
        let since = self.seen.filter(|(seen, _)| *seen == found).map_or(now, |(_, since)| since);
        self.seen = Some((found, since));
        if self.judged == Some(found) || !(at_once || now.duration_since(since) >= SETTLES) {
            return false;
        }
        self.judged = Some(found);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_text_is_judged_once_and_only_when_it_has_settled() {
        let text = |text: &str| Sha256Digest::of(text.as_bytes());
        let mut settled = Settled { judged: Some(text("a")), seen: None };
        let begin = Instant::now();
        for (at_ms, seen, at_once, due) in [
            (0, "a", false, false),
            (1_000, "ab", false, false),
            (1_500, "ab", false, false),
            (2_000, "abc", false, false),
            (2_899, "abc", false, false),
            (2_900, "abc", false, true),
            (4_000, "abc", false, false),
            (4_000, "abc", true, false),
            (5_000, "half", false, false),
            (5_500, "abc", false, false),
            (6_000, "half", false, false),
            (6_100, "whole", true, true),
            (6_200, "a", false, false),
            (7_200, "a", false, true),
        ] {
            let now = begin + Duration::from_millis(at_ms);
            assert_eq!(settled.is_due(text(seen), now, at_once), due, "{at_ms} {seen} {at_once}");
        }
    }

    #[tokio::test]
    async fn a_file_that_goes_or_breaks_is_told_once_and_one_that_comes_back_as_it_was_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.toml");
        let config = RouterConfig { catalogue: Some(path.clone()), policies: None };
        let good = include_str!("../catalogue.toml");
        std::fs::write(&path, good).unwrap();
        let (catalogue, mut file) = CatalogueFile::open(&config).unwrap();
        let (now, later) = (Instant::now(), Instant::now() + SETTLES);
        assert!(matches!(file.look(now, true).await, Look::Same));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(now, false).await, Look::Same), "it may come again in a moment");
        assert!(matches!(file.look(later, false).await, Look::Bad(fault) if fault.contains("cannot be read")));
        assert!(matches!(file.look(later, false).await, Look::Same));
        std::fs::write(&path, "currency = \"EUR\"\n\n[[model]]\nnme = 1\n").unwrap();
        assert!(matches!(file.look(now, true).await, Look::Bad(fault) if fault.contains("line 4")));
        std::fs::write(&path, good).unwrap();
        let Look::Changed(again) = file.look(now, true).await else { panic!("it was not read") };
        assert_eq!(again.digest, catalogue.digest);
        file.judge_again();
        assert!(matches!(file.look(later, true).await, Look::Changed(_)));
    }
}
