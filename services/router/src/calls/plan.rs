//! Gathers what a decision is made from, and decides.

use std::collections::BTreeMap;

use orrery_errors::Error;
use orrery_policy::{ModelAccess, ModelFacts};

use super::{Call, Router};
use orrery_routing::catalogue::Model;
use orrery_routing::decide::{Decision, Inputs, PolicyAnswer, decide};
use orrery_routing::statistics::Statistics;

/// A decision and what it was made from.
#[derive(Debug)]
pub(super) struct Plan {
    pub inputs: Inputs,
    pub decision: Decision,
}

impl Router {
    pub(super) fn plan(&self, call: &Call) -> Result<Plan, Error> {
        // Policies are asked about models that could do it; about others there is nothing to decide.
        let able = self.catalogue.models.values().filter(|model| model.capabilities.contains(&call.facts.capability));
        let policies = able
            .map(|model| Ok((model.name.clone(), self.ask_policies(call, model)?)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let inputs = Inputs {
            id: call.id.clone(),
            at: call.started,
            seed: rand::random(),
            facts: call.facts.clone(),
            health: self.board.health(call.started),
            policies,
            policy_digest: self.policies.digest(),
            catalogue_digest: self.catalogue.digest,
            statistics_revision: 0,
        };
        let decision = decide(&self.catalogue, &Statistics::default(), &inputs);
        Ok(Plan { inputs, decision })
    }

    fn ask_policies(&self, call: &Call, model: &Model) -> Result<PolicyAnswer, Error> {
        let facts = &call.facts;
        let capabilities: Vec<String> = model.capabilities.iter().map(ToString::to_string).collect();
        let access = ModelAccess {
            tenant: &facts.tenant,
            principal: &facts.principal,
            roles: &facts.roles,
            model: ModelFacts {
                name: &model.name,
                provider: &model.provider,
                location: self.catalogue.location_of(model).as_str(),
                capabilities: &capabilities,
                data_classes: &model.data_classes,
                tenants: &model.tenants,
                purposes: &model.purposes,
            },
            capability: facts.capability.as_str(),
            data_classes: &facts.data_classes,
            purpose: &facts.purpose,
        };
        let verdict = self.policies.model_access(&access).map_err(|error| Error::internal(&error))?;
        if let Some(error) = verdict.errors.first() {
            tracing::error!(error, gen_ai.request.model = model.name, "a policy failed to evaluate, so it denies");
        }
        Ok(PolicyAnswer { allowed: verdict.allowed, reason: verdict.reason(), policies: verdict.policies })
    }
}
