//! Reads a catalogue from TOML and checks that it makes sense. Refuses with every fault it finds, each naming the entry
//! and the remedy.

use std::collections::BTreeMap;

use orrery_types::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::catalogue::{
    CacheSettings, Capability, Catalogue, Location, Model, Price, Provider, Route, SecretRef, is_secret_name,
};

mod lines;
mod routes;

/// Names that callers use to leave the choice to the router.
pub const AUTO: &str = "auto";

const NAME_BYTES_MAX: usize = 128;
/// One token dearer than this is a mistake in the unit: 0.01 of the currency.
const TOKEN_PRICE_NANOS_MAX: u64 = 10_000_000;

/// Why a catalogue was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not TOML, or not of this shape. The message names line and column.
    #[error("catalogue does not read: {0}")]
    Syntax(String),
    /// Of the right shape, but contradictory.
    #[error("catalogue has {} fault(s): {}", .0.len(), .0.join("; "))]
    Faults(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    currency: String,
    #[serde(default, rename = "provider")]
    providers: Vec<Provider>,
    #[serde(default, rename = "model")]
    models: Vec<Model>,
    #[serde(default, rename = "route")]
    routes: Vec<Route>,
    #[serde(default)]
    cache: CacheSettings,
}

/// Parses and checks. Faults name the lines of the entries that have them.
pub fn parse(text: &str) -> Result<Catalogue, CatalogueError> {
    let file = toml::from_str(text).map_err(|error| CatalogueError::Syntax(error.to_string()))?;
    check(file).map_err(|error| match error {
        CatalogueError::Faults(faults) => {
            CatalogueError::Faults(faults.into_iter().map(|fault| lines::located(text, fault)).collect())
        }
        other => other,
    })
}

/// Parses and checks what [`to_json`] writes.
pub fn parse_json(text: &str) -> Result<Catalogue, CatalogueError> {
    check(serde_json::from_str(text).map_err(|error| CatalogueError::Syntax(error.to_string()))?)
}

/// The catalogue as one text, for other processes.
pub fn to_json(catalogue: &Catalogue) -> Result<String, CatalogueError> {
    let file = File {
        currency: catalogue.currency.clone(),
        providers: catalogue.providers.values().cloned().collect(),
        models: catalogue.models.values().cloned().collect(),
        routes: catalogue.routes.values().cloned().collect(),
        cache: catalogue.cache.clone(),
    };
    serde_json::to_string(&file).map_err(|error| CatalogueError::Syntax(error.to_string()))
}

fn check(file: File) -> Result<Catalogue, CatalogueError> {
    let mut faults = Vec::new();
    if file.currency.len() != 3 || !file.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        faults.push(format!("currency {:?} is no ISO 4217 code such as \"EUR\"", file.currency));
    }
    if file.models.is_empty() {
        faults.push("there is no [[model]]".to_owned());
    }
    let providers = by_name("provider", file.providers, |provider| &provider.name, &mut faults);
    let models = by_name("model", file.models, |model| &model.name, &mut faults);
    let routes = by_name("route", file.routes, |route| &route.name, &mut faults);
    providers.values().for_each(|provider| check_provider(provider, &mut faults));
    models.values().for_each(|model| check_model(model, providers.get(&model.provider), &mut faults));
    routes::check(&routes, &models, &mut faults);
    check_cache(&file.cache, &models, &providers, &mut faults);
    if !faults.is_empty() {
        return Err(CatalogueError::Faults(faults));
    }
    let canonical = serde_json::to_vec(&(&file.currency, &providers, &models, &routes, &file.cache))
        .map_err(|error| CatalogueError::Syntax(error.to_string()))?;
    let digest = Sha256Digest::of(&canonical);
    Ok(Catalogue { currency: file.currency, providers, models, routes, cache: file.cache, digest })
}

fn by_name<T>(
    kind: &str,
    entries: Vec<T>,
    name: impl Fn(&T) -> &String,
    faults: &mut Vec<String>,
) -> BTreeMap<String, T> {
    let mut found = BTreeMap::new();
    for entry in entries {
        let name = name(&entry).clone();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name == AUTO || name.chars().any(char::is_control) {
            faults.push(format!("{kind} name {name:?}: use 1 to {NAME_BYTES_MAX} bytes, not \"{AUTO}\""));
        } else if found.contains_key(&name) {
            faults.push(format!("{kind} {name:?} stands twice"));
        }
        found.insert(name, entry);
    }
    found
}

fn check_provider(provider: &Provider, faults: &mut Vec<String>) {
    let name = &provider.name;
    for reference in provider.secret_refs() {
        match reference {
            SecretRef::Store(secret) if !is_secret_name(secret) => faults.push(format!(
                "provider {name:?}: no secret can be named {secret:?}; use 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'"
            )),
            _ => {}
        }
    }
    match provider.base_url.as_deref() {
        None => {}
        Some(url) if !(url.starts_with("https://") || url.starts_with("http://")) => {
            faults.push(format!("provider {name:?}: base_url {url:?} must start with https:// or http://"));
        }
        Some(url) => {
            let secret = provider.api_key.is_some() || !provider.secrets.is_empty();
            if secret && url.starts_with("http://") && !is_loopback(url) {
                faults.push(format!("provider {name:?}: a key never travels over plain http; use https in {url:?}"));
            }
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.trim_start_matches("http://").split(['/', ':']).next().unwrap_or_default();
    host == "localhost" || host == "127.0.0.1"
}

fn check_model(model: &Model, provider: Option<&Provider>, faults: &mut Vec<String>) {
    let name = &model.name;
    let Some(provider) = provider else {
        faults.push(format!("model {name:?}: there is no provider {:?}", model.provider));
        return;
    };
    if model.capabilities.is_empty() {
        faults.push(format!("model {name:?}: name at least one capability"));
    }
    if model.capabilities.contains(&Capability::Read) == model.media_types.is_empty() {
        faults.push(format!("model {name:?}: media_types belong to the capability \"read\", which needs them"));
    }
    if model.limits.output_tokens > model.limits.context_tokens {
        faults.push(format!("model {name:?}: limits.output_tokens is above limits.context_tokens"));
    }
    faults.extend(model.price.faults().into_iter().map(|fault| format!("model {name:?}: {fault}")));
    if let Some((of, _)) = model.quality.iter().find(|(_, quality)| !(0.0..=1.0).contains(*quality)) {
        faults.push(format!("model {name:?}: quality of {of:?} must lie between 0 and 1"));
    }
    let dearest = |price: &Price| price.dearest().input_token.max(price.dearest().output_token);
    if model.price.entries().iter().any(|price| dearest(price) > TOKEN_PRICE_NANOS_MAX) {
        faults.push(format!(
            "model {name:?}: a token above {TOKEN_PRICE_NANOS_MAX} nanos; prices are nano-units per token"
        ));
    }
    if provider.location == Location::External && (model.tenants.is_empty() || model.purposes.is_empty()) {
        faults.push(format!("model {name:?}: an external model names tenants and purposes that its agreement covers"));
    }
}

fn check_cache(
    cache: &CacheSettings,
    models: &BTreeMap<String, Model>,
    providers: &BTreeMap<String, Provider>,
    faults: &mut Vec<String>,
) {
    faults.extend(cache.rules.faults());
    if cache.store_deadline_ms == 0 {
        faults.push("cache: store_deadline_ms is 0, so that nothing is ever found; leave it out for 20".to_owned());
    }
    let Some(name) = &cache.embedder else { return };
    // Questions are embedded whatever their data class, so they must not leave.
    let good = models.get(name).is_some_and(|model| {
        let provider = providers.get(&model.provider);
        model.capabilities.contains(&Capability::Embed) && provider.is_some_and(|it| it.kind == "local")
    });
    if !good {
        faults.push(format!("cache: embedder {name:?} is no model of a provider of kind \"local\" that can embed"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::catalogue::CacheMode;

    #[test]
    fn a_catalogue_is_the_same_in_another_process() {
        let text = r#"
            currency = "EUR"
            [[provider]]
            name = "cloud"
            kind = "openai"
            location = "external"
            base_url = "https://example.com/v1"
            api_key = { store = "cloud" }
            options = { organization = "x" }
            [[model]]
            name = "m"
            provider = "cloud"
            capabilities = ["chat"]
            data_classes = ["public"]
            tenants = ["*"]
            purposes = ["*"]
            quality = { chat = 0.7 }
            price = [{ input_token = 1 }, { valid_from = "2026-01-01T00:00:00Z", input_token = 2 }]
            [[route]]
            name = "r"
            models = ["m"]
            strategy = "ordered"
            cache = { mode = "exact", ttl_seconds = 60 }
            [cache]
            rules = { mode = "semantic", threshold = 0.9 }
        "#;
        let catalogue = parse(text).unwrap();
        let elsewhere = parse_json(&to_json(&catalogue).unwrap()).unwrap();
        assert_eq!(elsewhere, catalogue);
        assert_eq!(elsewhere.digest, catalogue.digest);
        assert_eq!(elsewhere.cache_rules("r").mode, CacheMode::Exact);
        assert_eq!(elsewhere.cache_rules("m").mode, CacheMode::Semantic);
        let bad = text.replace("threshold = 0.9 }", "threshold = 2 }\n            embedder = \"m\"");
        let Err(CatalogueError::Faults(faults)) = parse(&bad) else { panic!("it was accepted") };
        assert!(
            faults.iter().any(|fault| fault.contains("threshold"))
                && faults.iter().any(|fault| fault.contains("embedder"))
        );
    }
}
