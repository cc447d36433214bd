//! What requests may say: who asks, names, and how much of what.

use orrery_proto::v1::{Caller, SearchFilter};
use orrery_types::TenantId;

use crate::domain::index::Filter;
use crate::error::RetrievalError;
use crate::store::CollectionKey;

/// Sees every document of its tenant.
const ADMIN: &str = "admin";
const COLLECTION_BYTES_MAX: usize = 64;
const DOCUMENT_BYTES_MAX: usize = 200;
const ROLES_MAX: usize = 32;
const FILTERS_MAX: usize = 100;

/// On whose behalf a call is made.
pub(super) struct Asker {
    pub(super) tenant: TenantId,
    pub(super) principal: String,
    /// `None` sees everything of the tenant.
    pub(super) roles: Option<Vec<String>>,
}

impl Asker {
    pub(super) fn of(caller: Option<Caller>) -> Result<Self, RetrievalError> {
        let caller = caller.ok_or(RetrievalError::Unnamed("caller"))?;
        let tenant = TenantId::new(&caller.tenant).map_err(|error| invalid("tenant", &error.to_string()))?;
        let admin = caller.roles.iter().any(|role| role == ADMIN);
        Ok(Self { tenant, principal: caller.principal, roles: (!admin).then_some(caller.roles) })
    }

    /// A collection of the asker's tenant.
    pub(super) fn collection(&self, name: &str) -> Result<CollectionKey, RetrievalError> {
        check("collection", name, COLLECTION_BYTES_MAX)?;
        Ok(CollectionKey { tenant: self.tenant.clone(), name: name.to_owned() })
    }
}

pub(super) fn document(name: &str) -> Result<(), RetrievalError> {
    check("document", name, DOCUMENT_BYTES_MAX)
}

/// Sorted and without repetition, so that the order in which roles are named makes no difference.
pub(super) fn access(mut roles: Vec<String>) -> Result<Vec<String>, RetrievalError> {
    for role in &roles {
        check("access", role, COLLECTION_BYTES_MAX)?;
    }
    roles.sort();
    roles.dedup();
    if roles.len() > ROLES_MAX {
        return Err(invalid("access", &format!("at most {ROLES_MAX} roles")));
    }
    Ok(roles)
}

pub(super) fn filter(asker: &Asker, filter: Option<SearchFilter>) -> Result<Filter, RetrievalError> {
    let SearchFilter { documents, sections } = filter.unwrap_or_default();
    if documents.len() > FILTERS_MAX || sections.len() > FILTERS_MAX {
        return Err(invalid("filter", &format!("at most {FILTERS_MAX} documents and {FILTERS_MAX} sections")));
    }
    for name in &documents {
        check("filter.documents", name, DOCUMENT_BYTES_MAX)?;
    }
    for section in &sections {
        check("filter.sections", section, DOCUMENT_BYTES_MAX)?;
    }
    let sections = sections.iter().map(|section| section.to_lowercase()).collect();
    Ok(Filter { documents, sections, roles: asker.roles.clone() })
}

pub(super) fn invalid(field: &'static str, reason: &str) -> RetrievalError {
    RetrievalError::Invalid { field, reason: reason.to_owned() }
}

fn check(field: &'static str, name: &str, bytes_max: usize) -> Result<(), RetrievalError> {
    if name.trim().is_empty() {
        return Err(RetrievalError::Unnamed(field));
    }
    if name.len() > bytes_max || name.chars().any(char::is_control) {
        return Err(invalid(field, &format!("at most {bytes_max} bytes without control characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn caller(tenant: &str, roles: &[&str]) -> Option<Caller> {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Some(Caller { tenant: tenant.to_owned(), principal: "dana".to_owned(), roles, ..Caller::default() })
    }

    #[test]
    fn an_admin_sees_everything_and_nobody_else_does() {
        assert_eq!(Asker::of(caller("acme", &["admin"])).unwrap().roles, None);
        assert_eq!(Asker::of(caller("acme", &[])).unwrap().roles, Some(Vec::new()));
        assert!(Asker::of(None).is_err() && Asker::of(caller("a/b", &[])).is_err());
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        let asker = Asker::of(caller("acme", &[])).unwrap();
        for bad in ["", "  ", "a\0b", "a\nb", &"x".repeat(65)] {
            assert!(asker.collection(bad).is_err(), "{bad:?}");
        }
        assert!(asker.collection("claims guide").is_ok());
        assert_eq!(access(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]).unwrap(), ["a", "b"]);
    }
}
