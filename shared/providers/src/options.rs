//! Options of an entry: the known ones alone, with known values.

use orrery_routing::catalogue::Provider as Entry;

use crate::SetupError;

/// Refuses options that the kind does not know, so that a misspelt one is not left out in silence.
pub(crate) fn only(entry: &Entry, known: &[&str]) -> Result<(), SetupError> {
    match entry.options.keys().find(|name| !known.contains(&name.as_str())) {
        Some(other) => {
            let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let reason = format!("kind {:?} has no option {other:?}; it has {list}", entry.kind);
            Err(SetupError::entry(entry, reason))
        }
        None => Ok(()),
    }
}

/// An option that is one of these words; the first where it is not set.
pub(crate) fn one_of<T: Copy>(entry: &Entry, name: &str, words: &[(&str, T)]) -> Result<T, SetupError> {
    let chosen = match entry.options.get(name) {
        Some(value) => words.iter().find(|(word, _)| word == value),
        None => words.first(),
    };
    chosen.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let value = entry.options.get(name).cloned().unwrap_or_default();
        SetupError::entry(entry, format!("option {name} is {value:?}; use one of {list}"))
    })
}

/// An option's text, or what it is without.
pub(crate) fn text(entry: &Entry, name: &str, default: &str) -> String {
    entry.options.get(name).cloned().unwrap_or_else(|| default.to_owned())
}
