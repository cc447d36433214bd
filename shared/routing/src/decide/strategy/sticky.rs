//! The same session always to the same model.

use super::super::score::{Entry, Ranked, part};
use super::least_loaded;
use crate::draw::{Draws, place_of};

/// Rendezvous hashing (Thaler and Ravishankar 1996): each model's place on the session's ring, lowest first. A model
/// that comes or goes moves only the sessions that are or become its own. Without a session the load decides.
pub(super) fn rank(tenant: &str, session: &str, entries: &[Entry<'_>], draws: &mut Draws) -> Vec<Ranked> {
    if session.is_empty() {
        return least_loaded::rank(entries, draws);
    }
    let one = |entry: &Entry<'_>| {
        let place = place_of(&["sticky", tenant, session, &entry.model.name]);
        entry.by(place, vec![part("session_place", place)])
    };
    entries.iter().map(one).collect()
}
