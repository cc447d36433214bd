//! What policies say, remembered for callers of the same kind: the same question to the same policies has the same answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use orrery_errors::Error;
use orrery_policy::{Bundle, ModelAccess, ModelFacts};
use orrery_routing::catalogue::{Capability, Catalogue, Model};
use orrery_routing::decide::PolicyAnswer;
use orrery_routing::request::RequestFacts;
use parking_lot::RwLock;

/// Kinds of callers that are remembered; beyond, all are forgotten.
const KINDS_MAX: usize = 10_000;

/// By model.
pub(crate) type Answers = Arc<BTreeMap<String, PolicyAnswer>>;

/// Everything that a policy can ask about a call, beside the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    tenant: String,
    principal: String,
    roles: Vec<String>,
    capability: Capability,
    data_classes: Vec<String>,
    purpose: String,
}

/// The answers of one set of policies about one catalogue.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(RwLock<HashMap<Kind, Answers>>);

impl Verdicts {
    /// What policies say of every model that could do it; about others there is nothing to decide.
    pub fn of(&self, policies: &Bundle, catalogue: &Catalogue, facts: &RequestFacts) -> Result<Answers, Error> {
        let kind = Kind {
            tenant: facts.tenant.clone(),
            principal: facts.principal.clone(),
            roles: facts.roles.clone(),
            capability: facts.capability,
            data_classes: facts.data_classes.clone(),
            purpose: facts.purpose.clone(),
        };
        if let Some(answers) = self.0.read().get(&kind) {
            return Ok(answers.clone());
        }
        let able = catalogue.models.values().filter(|model| model.capabilities.contains(&facts.capability));
        let answers = able.map(|model| Ok((model.name.clone(), ask(policies, catalogue, model, facts)?)));
        let answers: Answers = Arc::new(answers.collect::<Result<_, Error>>()?);
        let mut known = self.0.write();
        if known.len() >= KINDS_MAX {
            known.clear();
        }
        known.insert(kind, answers.clone());
        Ok(answers)
    }
}

fn ask(policies: &Bundle, catalogue: &Catalogue, model: &Model, facts: &RequestFacts) -> Result<PolicyAnswer, Error> {
    let capabilities: Vec<String> = model.capabilities.iter().map(ToString::to_string).collect();
    let access = ModelAccess {
        tenant: &facts.tenant,
        principal: &facts.principal,
        roles: &facts.roles,
        model: ModelFacts {
            name: &model.name,
            provider: &model.provider,
            location: catalogue.location_of(model).as_str(),
            capabilities: &capabilities,
            data_classes: &model.data_classes,
            tenants: &model.tenants,
            purposes: &model.purposes,
        },
        capability: facts.capability.as_str(),
        data_classes: &facts.data_classes,
        purpose: &facts.purpose,
    };
    let verdict = policies.model_access(&access).map_err(|error| Error::internal(&error))?;
    if let Some(error) = verdict.errors.first() {
        tracing::error!(error, gen_ai.request.model = model.name, "a policy failed to evaluate, so it denies");
    }
    Ok(PolicyAnswer { allowed: verdict.allowed, reason: verdict.reason(), policies: verdict.policies })
}
