//! Options of a catalogue's entry, read so that a misspelt one is refused.

use orrery_routing::catalogue::Provider as Entry;

use crate::SetupError;

/// Refuses options that are none of `known`.
pub(crate) fn only(entry: &Entry, known: &[&str]) -> Result<(), SetupError> {
    match entry.options.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let known = known.join(", ");
            Err(SetupError::entry(entry, format!("kind {:?} has no option {name:?}; it has {known}", entry.kind)))
        }
        None => Ok(()),
    }
}

/// An option that is one of a few words.
pub(crate) fn one_of<T: Copy>(entry: &Entry, name: &str, words: &[(&str, T)]) -> Result<Option<T>, SetupError> {
    let Some(value) = entry.options.get(name) else { return Ok(None) };
    match words.iter().find(|(word, _)| word == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let words = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
            Err(SetupError::entry(entry, format!("option {name} is {value:?}; use {words}")))
        }
    }
}

/// An option that is `yes` or `no`.
pub(crate) fn yes(entry: &Entry, name: &str) -> Result<Option<bool>, SetupError> {
    one_of(entry, name, &[("yes", true), ("no", false)])
}

/// An option's text.
pub(crate) fn text(entry: &Entry, name: &str) -> Option<String> {
    entry.options.get(name).filter(|text| !text.is_empty()).cloned()
}
