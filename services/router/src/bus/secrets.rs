//! The calls about providers' secrets. Values come sealed, are opened to be checked, and are sealed again for the place that
//! they are to have; none leaves.

use std::sync::Arc;

use orrery_config::Secret;
use orrery_dataplane::caller;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    Caller, ListSecretsReply, ListSecretsRequest, RemoveSecretReply, RemoveSecretRequest, ResealSecretsReply,
    ResealSecretsRequest, SecretInfo, SetSecretReply, SetSecretRequest,
};
use orrery_routing::catalogue::{Catalogue, is_secret_name};
use orrery_types::UnixMillis;
use orrery_vault::{OpenError, Place, SealingKeys, key_id};
use serde_json::json;

use super::convert::{OPERATOR, invalid};
use crate::store::{ChangeError, SecretChange, StoredSecret};
use crate::{Router, records};

/// Secrets of a system; what providers want of them must fit into one snapshot.
const SECRETS_MAX: i64 = 200;
const VALUE_BYTES_MAX: usize = 16 << 10;

pub(super) async fn list(router: Arc<Router>, request: ListSecretsRequest) -> Result<ListSecretsReply, Error> {
    operator(request.caller)?;
    let snapshot = router.plane.snapshot();
    let rows = router.ledger.secrets().await?;
    let missing = snapshot.catalogue.stored_secrets().into_keys();
    let missing = missing.filter(|name| rows.iter().all(|row| row.name != *name));
    let missing: Vec<SecretInfo> = missing
        .map(|name| SecretInfo {
            name: name.to_owned(),
            providers: wanted_by(&snapshot.catalogue, name),
            ..SecretInfo::default()
        })
        .collect();
    let there = rows.into_iter().map(|row| info(&snapshot.catalogue, row));
    let mut secrets: Vec<SecretInfo> = there.chain(missing).collect();
    secrets.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(ListSecretsReply { secrets })
}

pub(super) async fn set(router: Arc<Router>, request: SetSecretRequest) -> Result<SetSecretReply, Error> {
    let caller = operator(request.caller)?;
    let name = request.name;
    if !is_secret_name(&name) {
        return Err(invalid("the name is none: use 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'"));
    }
    let keys = keys(&router)?;
    let value = keys.open(Place::sent(&name), &request.sealed).map_err(|error| {
        let message = format!("the value that was sent does not open in the router: {error}");
        Error::new(ErrorCode::FailedPrecondition, message)
    })?;
    check(&value)?;
    let change = change(&caller, &name);
    let (for_seal, by, tenant, at) = (name.clone(), change.by.clone(), caller.tenant, change.at);
    let for_record = name.clone();
    let seal = move |version| keys.seal(Place::stored(&for_seal, version), &value);
    let record = move |version: u64| {
        let facts = json!({ "name": for_record, "version": version, "by": by });
        records::secrets("secret.set", &tenant, at, &facts)
    };
    let set = router.ledger.set_secret(change, SECRETS_MAX, seal, record).await.map_err(refused)?;
    tracing::info!(secret.name = name, secret.version = set.version, secret.set_by = set.set_by, "secret set");
    router.source.refresh(&router.plane, false).await?;
    Ok(SetSecretReply { secret: Some(info(&router.plane.snapshot().catalogue, set)) })
}

pub(super) async fn remove(router: Arc<Router>, request: RemoveSecretRequest) -> Result<RemoveSecretReply, Error> {
    let caller = operator(request.caller)?;
    let change = change(&caller, &request.name);
    let (name, by, tenant, at) = (request.name.clone(), change.by.clone(), caller.tenant, change.at);
    let facts_by = by.clone();
    let record = move |version: u64| {
        let facts = json!({ "name": name, "version": version, "by": facts_by });
        records::secrets("secret.removed", &tenant, at, &facts)
    };
    let Some(removed) = router.ledger.remove_secret(change, record).await.map_err(refused)? else {
        return Err(Error::new(ErrorCode::NotFound, format!("there is no secret {:?}; list them", request.name)));
    };
    tracing::info!(secret.name = removed.name, secret.removed_by = by, "secret removed");
    router.source.refresh(&router.plane, false).await?;
    Ok(RemoveSecretReply { secret: Some(info(&router.plane.snapshot().catalogue, removed)) })
}

pub(super) async fn reseal(router: Arc<Router>, request: ResealSecretsRequest) -> Result<ResealSecretsReply, Error> {
    let caller = operator(request.caller)?;
    let keys = keys(&router)?;
    let (mut envelopes, mut unopened) = (Vec::new(), Vec::new());
    for row in router.ledger.secrets().await?.into_iter().filter(|row| !keys.is_current(&row.sealed)) {
        let place = Place::stored(&row.name, row.version);
        match keys.open(place, &row.sealed).and_then(|value| keys.seal(place, &value)) {
            Ok(sealed) => envelopes.push((row, sealed)),
            Err(error) => {
                tracing::warn!(secret.name = row.name, %error, "a secret cannot be sealed anew");
                unopened.push(row.name);
            }
        }
    }
    let key_id = keys.ids().into_iter().next().unwrap_or_default();
    let (tenant, at, for_record) = (caller.tenant.clone(), UnixMillis::now(), key_id.clone());
    let by = format!("{}/{}", caller.tenant, caller.principal);
    let record = move |names: &[String]| {
        let facts = json!({ "names": names, "key_id": for_record, "by": by });
        records::secrets("secrets.resealed", &tenant, at, &facts)
    };
    let resealed = router.ledger.reseal(envelopes, record).await.map_err(refused)?;
    tracing::info!(secrets.resealed = resealed.len(), secrets.unopened = unopened.len(), "secrets sealed anew");
    router.source.refresh(&router.plane, false).await?;
    Ok(ResealSecretsReply { key_id, resealed, unopened })
}

fn operator(from: Option<Caller>) -> Result<Caller, Error> {
    let caller = caller(from)?;
    if !caller.roles.iter().any(|role| role == OPERATOR) {
        return Err(Error::new(ErrorCode::Forbidden, "providers' secrets need the role operator"));
    }
    Ok(caller)
}

fn keys(router: &Router) -> Result<SealingKeys, Error> {
    let failed = |error: orrery_vault::KeysError| Error::new(ErrorCode::FailedPrecondition, format!("router: {error}"));
    router.source.keys.load().map_err(failed)
}

/// Every provider takes such a value in a header.
fn check(value: &Secret) -> Result<(), Error> {
    let value = value.expose();
    if value.is_empty() || value.len() > VALUE_BYTES_MAX || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let message = format!(
            "the value is none that a provider gives out: it is one line of 1 to {VALUE_BYTES_MAX} printable ASCII characters"
        );
        return Err(invalid(message));
    }
    Ok(())
}

fn change(caller: &Caller, name: &str) -> SecretChange {
    let by = format!("{}/{}", caller.tenant, caller.principal);
    SecretChange { name: name.to_owned(), by, at: UnixMillis::now() }
}

fn refused(error: ChangeError) -> Error {
    match error {
        ChangeError::Store(error) => error.into(),
        ChangeError::Seal(OpenError::Refused) => Error::internal(&OpenError::Refused),
        ChangeError::Seal(error) => Error::new(ErrorCode::FailedPrecondition, error.to_string()),
        ChangeError::Full(_) => Error::new(ErrorCode::FailedPrecondition, error.to_string()),
        ChangeError::Changed => Error::new(ErrorCode::Conflict, error.to_string()),
    }
}

fn wanted_by(catalogue: &Catalogue, name: &str) -> Vec<String> {
    let providers = catalogue.stored_secrets().remove(name).unwrap_or_default();
    providers.into_iter().map(str::to_owned).collect()
}

fn info(catalogue: &Catalogue, row: StoredSecret) -> SecretInfo {
    SecretInfo {
        providers: wanted_by(catalogue, &row.name),
        name: row.name,
        version: row.version,
        key_id: key_id(&row.sealed).unwrap_or_default(),
        set_at_ms: row.set_at.0,
        set_by: row.set_by,
    }
}
