//! The question "may this data go to this model?", as Cedar entities and context.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression};

use crate::{Bundle, PolicyError, Verdict};

/// The catalogue's facts about a model that policies may use.
#[derive(Debug, Clone, Copy)]
pub struct ModelFacts<'a> {
    /// Name in the catalogue.
    pub name: &'a str,
    /// Provider in the catalogue.
    pub provider: &'a str,
    /// `local` or `external`.
    pub location: &'a str,
    /// What it can do.
    pub capabilities: &'a [String],
    /// Classes of data it is cleared for.
    pub data_classes: &'a [String],
    /// Tenants with an agreement; `*` is all.
    pub tenants: &'a [String],
    /// Purposes covered; `*` is all.
    pub purposes: &'a [String],
}

/// Who wants to send which data where, and why.
#[derive(Debug, Clone, Copy)]
pub struct ModelAccess<'a> {
    /// The caller's tenant.
    pub tenant: &'a str,
    /// The caller within the tenant.
    pub principal: &'a str,
    /// The caller's roles.
    pub roles: &'a [String],
    /// Where the data would go.
    pub model: ModelFacts<'a>,
    /// What is asked of the model.
    pub capability: &'a str,
    /// Classes of the data in the call.
    pub data_classes: &'a [String],
    /// Why it is processed; may be empty.
    pub purpose: &'a str,
}

impl Bundle {
    /// May this data go to this model?
    pub fn model_access(&self, access: &ModelAccess<'_>) -> Result<Verdict, PolicyError> {
        let tenant = uid("Tenant", access.tenant)?;
        let principal = uid("Principal", &format!("{}/{}", access.tenant, access.principal))?;
        let resource = uid("Model", access.model.name)?;

        let mut entities = vec![Entity::new_no_attrs(tenant.clone(), HashSet::new())];
        let mut parents = HashSet::from([tenant.clone()]);
        for role in access.roles {
            let role = uid("Role", role)?;
            if parents.insert(role.clone()) {
                entities.push(Entity::new_no_attrs(role, HashSet::new()));
            }
        }
        let of_tenant = HashMap::from([("tenant".to_owned(), RestrictedExpression::new_entity_uid(tenant))]);
        entities.push(Entity::new(principal.clone(), of_tenant, parents).map_err(question)?);
        entities
            .push(Entity::new(resource.clone(), model_attributes(&access.model), HashSet::new()).map_err(question)?);
        let entities = Entities::from_entities(entities, Some(self.schema())).map_err(question)?;

        let context = Context::from_pairs([
            ("capability".to_owned(), text(access.capability)),
            ("data_classes".to_owned(), set(access.data_classes)),
            ("purpose".to_owned(), text(access.purpose)),
            ("tenant".to_owned(), text(access.tenant)),
        ])
        .map_err(question)?;
        let action = uid("Action", "invoke")?;
        let request = Request::new(principal, action, resource, context, Some(self.schema())).map_err(question)?;
        Ok(self.decide(&request, &entities))
    }
}

fn model_attributes(model: &ModelFacts<'_>) -> HashMap<String, RestrictedExpression> {
    HashMap::from([
        ("provider".to_owned(), text(model.provider)),
        ("location".to_owned(), text(model.location)),
        ("capabilities".to_owned(), set(model.capabilities)),
        ("data_classes".to_owned(), set(model.data_classes)),
        ("tenants".to_owned(), set(model.tenants)),
        ("purposes".to_owned(), set(model.purposes)),
    ])
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, PolicyError> {
    let name: EntityTypeName = format!("Orrery::{kind}").parse().map_err(question)?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn set(values: &[String]) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().map(|value| text(value)))
}

fn question(error: impl std::fmt::Display) -> PolicyError {
    PolicyError::Question(error.to_string())
}
