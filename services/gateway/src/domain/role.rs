//! The roles that routes ask for. A key may carry further names, which only workflows give a meaning.

use orrery_types::PrincipalId;

/// Names that one key may carry at most.
const ROLES_MAX: usize = 16;

/// A role with a meaning to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Keys, budgets, and all that a developer may.
    Admin,
    /// Workflows, tasks, knowledge and model calls.
    Developer,
    /// Human tasks.
    Reviewer,
    /// Audit records and spend.
    Auditor,
    /// Tenants. Only an operator makes tenants, or keys of another tenant.
    Operator,
}

impl Role {
    /// As it stands in requests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Reviewer => "reviewer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// Whether it is among `roles`.
    pub fn is_in(self, roles: &[String]) -> bool {
        roles.iter().any(|role| role == self.as_str())
    }
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a key.
    Public,
    /// Any valid key.
    AnyRole,
    /// A key with one of these roles.
    Of(&'static [Role]),
}

impl Access {
    /// Whether a key with `roles` may pass.
    pub fn allows(self, roles: &[String]) -> bool {
        match self {
            Self::Public | Self::AnyRole => true,
            Self::Of(needed) => needed.iter().any(|role| role.is_in(roles)),
        }
    }

    /// The roles asked for, for people.
    pub fn needed(self) -> String {
        match self {
            Self::Public | Self::AnyRole => String::new(),
            Self::Of(needed) => needed.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or "),
        }
    }
}

/// A list of roles that a key cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoles {
    /// None, or too many.
    #[error("a key carries 1 to {ROLES_MAX} roles, not {0}")]
    Count(usize),
    /// Not a name.
    #[error("{0:?} is no role: use 1 to 64 of the characters a-z, A-Z, 0-9, '_' and '-'")]
    Name(String),
}

/// Checks the roles of a new key, in the order given and without repetitions.
pub fn checked(roles: &[String]) -> Result<Vec<String>, InvalidRoles> {
    let mut unique: Vec<String> = Vec::new();
    for role in roles {
        // A role has the same alphabet as a principal, so that neither breaks a list or a subject.
        PrincipalId::new(role).map_err(|_| InvalidRoles::Name(role.chars().take(64).collect()))?;
        if !unique.contains(role) {
            unique.push(role.clone());
        }
    }
    if unique.is_empty() || unique.len() > ROLES_MAX {
        return Err(InvalidRoles::Count(unique.len()));
    }
    Ok(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_route_opens_to_its_roles_and_no_others() {
        let access = Access::Of(&[Role::Admin, Role::Auditor]);
        assert!(access.allows(&roles(&["x", "auditor"])));
        assert!(!access.allows(&roles(&["developer", "reviewer", "operator"])));
        assert!(!access.allows(&[]));
        assert_eq!(access.needed(), "admin or auditor");
    }

    #[test]
    fn roles_are_names_without_repetitions() {
        assert_eq!(checked(&roles(&["reviewer", "senior", "reviewer"])), Ok(roles(&["reviewer", "senior"])));
        assert_eq!(checked(&[]), Err(InvalidRoles::Count(0)));
        assert_eq!(checked(&roles(&["a,b"])), Err(InvalidRoles::Name("a,b".to_owned())));
    }
}
