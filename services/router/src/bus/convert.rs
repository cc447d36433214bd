//! The router's own terms as wire messages.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{CatalogueModel, SpendRow};
use orrery_routing::catalogue::{Catalogue, Model};
use orrery_types::UnixMillis;

use crate::store::SpendLine;

/// The role of those who run the system, and see what all tenants together did.
pub const OPERATOR: &str = "operator";

/// A model as lists show it.
pub fn model(catalogue: &Catalogue, model: &Model, healthy: bool) -> CatalogueModel {
    let price = model.price.at(UnixMillis::now());
    CatalogueModel {
        name: model.name.clone(),
        provider: model.provider.clone(),
        location: catalogue.location_of(model).as_str().to_owned(),
        capabilities: model.capabilities.iter().map(ToString::to_string).collect(),
        data_classes: model.data_classes.clone(),
        input_nanos_per_token: price.input_token,
        output_nanos_per_token: price.output_token,
        created: model.created,
        healthy,
    }
}

/// A line of the spend report.
pub fn spend_row(line: SpendLine) -> SpendRow {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    SpendRow {
        model: line.model,
        provider: line.provider,
        calls: count(line.calls),
        input_tokens: count(line.input_tokens),
        output_tokens: count(line.output_tokens),
        cost_nanos: count(line.cost_nanos),
        latency_ms_p50: count(line.latency_ms_p50),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}
