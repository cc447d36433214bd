//! A small catalogue and a call to it.

use std::collections::BTreeMap;

use orrery_routing::catalogue::{Capability, Catalogue};
use orrery_routing::catalogue_file;
use orrery_routing::decide::{Inputs, ModelHealth, PolicyAnswer};
use orrery_routing::request::{RequestFacts, Size};
use orrery_types::{Sha256Digest, UnixMillis};

/// Three models that chat: cheap and slow, middling, dear and fast; and a fourth that nothing but its name asks for.
pub const THREE: &str = r#"
currency = "EUR"
provider = [{ name = "local", kind = "local", location = "local" }]

[[model]]
name = "cheap"
provider = "local"
capabilities = ["chat"]
data_classes = []
price = { output_token = 10 }
limits = { context_tokens = 100000, output_tokens = 100 }
latency_ms = 2000
quality = { chat = 0.4 }

[[model]]
name = "mid"
provider = "local"
capabilities = ["chat", "embed", "read", "image"]
media_types = ["*"]
data_classes = []
price = { output_token = 100 }
limits = { context_tokens = 100000, output_tokens = 100 }
latency_ms = 800
quality = { chat = 0.6 }

[[model]]
name = "quick"
provider = "local"
capabilities = ["chat"]
data_classes = []
price = { output_token = 1000 }
limits = { context_tokens = 100000, output_tokens = 100 }
latency_ms = 100
quality = { chat = 0.8 }

[[model]]
name = "new"
provider = "local"
capabilities = ["chat"]
data_classes = []
price = { output_token = 20 }
limits = { context_tokens = 100000, output_tokens = 100 }
latency_ms = 500
"#;

/// Parses; a fault is a mistake in the test.
pub fn catalogue(text: &str) -> Catalogue {
    catalogue_file::parse(text).unwrap()
}

/// The three with a route `r` over them that has these further settings.
pub fn with_route(settings: &str) -> Catalogue {
    catalogue(&route_text(settings))
}

/// As `with_route`, as text.
pub fn route_text(settings: &str) -> String {
    format!("{THREE}\n[[route]]\nname = \"r\"\nmodels = [\"cheap\", \"mid\", \"quick\"]\n{settings}\n")
}

/// A chat call of ten tokens out.
pub fn facts(model: &str) -> RequestFacts {
    RequestFacts {
        tenant: "acme".into(),
        principal: "ana".into(),
        roles: vec![],
        model: model.into(),
        capability: Capability::Chat,
        media_type: None,
        data_classes: vec![],
        purpose: String::new(),
        cost_nanos_max: 0,
        session: String::new(),
        size: Size { text_bytes: 40, items: 1, output_tokens: 10, ..Size::default() },
    }
}

/// Such a call, allowed everywhere and at every model's best.
pub fn inputs(catalogue: &Catalogue, model: &str) -> Inputs {
    let allow = PolicyAnswer { allowed: true, policies: vec!["p".into()], reason: "permitted by p".into() };
    Inputs {
        id: "dec_1".into(),
        at: UnixMillis(1_000_000),
        seed: 1,
        facts: facts(model),
        health: BTreeMap::new(),
        policies: catalogue.models.keys().map(|name| (name.clone(), allow.clone())).collect(),
        policy_digest: Sha256Digest::of(b"policies"),
        catalogue_digest: catalogue.digest,
        statistics_revision: 0,
    }
}

/// A model that takes no calls.
pub fn down() -> ModelHealth {
    ModelHealth { unavailable: Some("it rests".into()), ..ModelHealth::default() }
}
