//! The immutable snapshot of all keys. Admission reads it and waits for nothing (G-1).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use orrery_types::{PrincipalId, Sha256Digest, TenantId, UnixMillis};
use subtle::ConstantTimeEq as _;

use super::api_key::ApiKey;

/// Who a key speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The public part of the key.
    pub key_id: String,
    /// The tenant that everything done with the key belongs to.
    pub tenant: TenantId,
    /// The person or machine within the tenant.
    pub principal: PrincipalId,
    /// The team within the tenant; empty: none.
    pub team: String,
    /// The roles of the key.
    pub roles: Vec<String>,
    /// When the key ends by itself.
    pub expires_at: Option<UnixMillis>,
}

/// Why a request is not let in. The caller is told the same for all but [`Denial::Role`], so that nobody can probe for keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// No `Authorization: Bearer` header.
    Missing,
    /// Not the shape of a key.
    Malformed,
    /// No such key, or its secret is wrong.
    Unknown,
    /// The key has ended.
    Expired,
    /// The key was revoked.
    Revoked,
    /// A valid key without the role.
    Role,
}

impl Denial {
    /// As it stands in audit records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Role => "role",
        }
    }
}

/// A key as it is known to the gateway.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who it speaks for.
    pub identity: Arc<Identity>,
    /// SHA-256 of the key's text.
    pub digest: Sha256Digest,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// All keys at one revision of the control plane.
#[derive(Debug, Default)]
pub struct Directory {
    revision: i64,
    keys: HashMap<String, Entry>,
}

impl Directory {
    /// The keys at `revision`.
    pub fn new(revision: i64, entries: impl IntoIterator<Item = Entry>) -> Self {
        let keys = entries.into_iter().map(|entry| (entry.identity.key_id.clone(), entry)).collect();
        Self { revision, keys }
    }

    /// Grows with each change of the control plane.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Who a public key id belongs to, whether or not the key is still good. For records of denials.
    pub fn owner(&self, key_id: &str) -> Option<&Arc<Identity>> {
        self.keys.get(key_id).map(|entry| &entry.identity)
    }

    /// Who a public key id speaks for, while the key is good. For work that goes on after the request that began it.
    pub fn active(&self, key_id: &str, now: UnixMillis) -> Option<&Arc<Identity>> {
        let entry = self.keys.get(key_id).filter(|entry| !entry.revoked)?;
        let ended = entry.identity.expires_at.is_some_and(|expires| expires <= now);
        (!ended).then_some(&entry.identity)
    }

    /// The roles that the good keys of a principal carry together; none: nobody there goes by that name.
    pub fn roles_of(&self, tenant: &TenantId, principal: &PrincipalId, now: UnixMillis) -> Option<Vec<String>> {
        let is_good = |entry: &&Entry| {
            let identity = &entry.identity;
            let ended = identity.expires_at.is_some_and(|expires| expires <= now);
            !entry.revoked && !ended && identity.tenant == *tenant && identity.principal == *principal
        };
        let mut keys = self.keys.values().filter(is_good).peekable();
        keys.peek()?;
        let roles: BTreeSet<String> = keys.flat_map(|entry| entry.identity.roles.iter().cloned()).collect();
        Some(roles.into_iter().collect())
    }

    /// Checks a key text.
    pub fn authenticate(&self, text: &str, now: UnixMillis) -> Result<Arc<Identity>, Denial> {
        let key = ApiKey::parse(text).ok_or(Denial::Malformed)?;
        let entry = self.keys.get(key.id()).ok_or(Denial::Unknown)?;
        // Constant time, so that the time of an answer tells nothing of the digest.
        if !bool::from(key.digest().as_bytes().ct_eq(entry.digest.as_bytes())) {
            return Err(Denial::Unknown);
        }
        if entry.revoked {
            return Err(Denial::Revoked);
        }
        if entry.identity.expires_at.is_some_and(|expires| expires <= now) {
            return Err(Denial::Expired);
        }
        Ok(entry.identity.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(key: &ApiKey, expires_at: Option<UnixMillis>, revoked: bool) -> Entry {
        let identity = Identity {
            key_id: key.id().to_owned(),
            tenant: TenantId::new("acme").unwrap(),
            principal: PrincipalId::new("ada").unwrap(),
            team: String::new(),
            roles: vec!["developer".to_owned()],
            expires_at,
        };
        Entry { identity: Arc::new(identity), digest: key.digest(), revoked }
    }

    #[test]
    fn a_principal_has_the_roles_of_all_their_good_keys() {
        let now = UnixMillis(1_000);
        let of = |byte, role: &str, revoked| {
            let made = entry(&ApiKey::from_random([byte; 8], [byte; 32]), None, revoked);
            let identity = Identity { roles: vec![role.to_owned()], ..(*made.identity).clone() };
            Entry { identity: Arc::new(identity), ..made }
        };
        let directory = Directory::new(1, [of(1, "adjuster", false), of(2, "admin", true), of(3, "reviewer", false)]);
        let tenant = |name| TenantId::new(name).unwrap();
        let ada = PrincipalId::new("ada").unwrap();
        let roles = directory.roles_of(&tenant("acme"), &ada, now);
        assert_eq!(roles, Some(vec!["adjuster".to_owned(), "reviewer".to_owned()]));
        assert_eq!(directory.roles_of(&tenant("other"), &ada, now), None);
        assert_eq!(directory.roles_of(&tenant("acme"), &PrincipalId::new("bob").unwrap(), now), None);
    }

    #[test]
    fn each_bad_key_is_denied_for_its_own_reason() {
        let now = UnixMillis(1_000);
        let key = |byte| ApiKey::from_random([byte; 8], [byte; 32]);
        let directory = Directory::new(
            1,
            [
                entry(&key(1), Some(UnixMillis(1_001)), false),
                entry(&key(2), Some(UnixMillis(1_000)), false),
                entry(&key(3), None, true),
            ],
        );
        let denied = |text: &str| directory.authenticate(text, now).unwrap_err();
        assert_eq!(directory.authenticate(key(1).expose(), now).unwrap().principal.as_str(), "ada");
        let active = |byte| directory.active(key(byte).id(), now).map(|identity| identity.principal.to_string());
        assert_eq!((active(1).as_deref(), active(2), active(3), active(4)), (Some("ada"), None, None, None));
        assert_eq!(denied(key(2).expose()), Denial::Expired);
        assert_eq!(denied(key(3).expose()), Denial::Revoked);
        assert_eq!(denied(key(4).expose()), Denial::Unknown);
        assert_eq!(denied(ApiKey::from_random([1; 8], [2; 32]).expose()), Denial::Unknown);
        assert_eq!(denied("sk-something"), Denial::Malformed);
    }
}
