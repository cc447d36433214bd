//! How the catalogue stands: for operators and administrators, who mend it.

use std::sync::Arc;

use orrery_dataplane::caller;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{CatalogueReply, CatalogueRequest};

use super::convert::OPERATOR;
use crate::Router;

const ROLES: [&str; 2] = [OPERATOR, "admin"];

pub(super) async fn standing(router: Arc<Router>, request: CatalogueRequest) -> Result<CatalogueReply, Error> {
    let caller = caller(request.caller)?;
    if !caller.roles.iter().any(|role| ROLES.contains(&role.as_str())) {
        return Err(Error::new(ErrorCode::Forbidden, "the catalogue's standing needs the role operator or admin"));
    }
    let (snapshot, standing) = (router.plane.snapshot(), router.source.standing());
    let (catalogue, refused) = (&snapshot.catalogue, standing.refused);
    let count = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
    Ok(CatalogueReply {
        digest: catalogue.digest.to_string(),
        since_ms: standing.since.0,
        file: standing.path.unwrap_or_default(),
        models: count(catalogue.models.len()),
        routes: count(catalogue.routes.len()),
        refused_at_ms: refused.as_ref().map_or(0, |refused| refused.at.0),
        fault: refused.map(|refused| refused.fault).unwrap_or_default(),
        without_key: snapshot.without_key().iter().map(|(name, error)| (name.clone(), error.to_string())).collect(),
    })
}
