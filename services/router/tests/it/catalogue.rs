//! Catalogues: the default reads, and nonsense is refused with every fault named.

use orrery_router::config::RouterConfig;
use orrery_routing::catalogue_file::{CatalogueError, parse};

#[test]
fn the_default_catalogue_and_policies_are_good() {
    let catalogue = RouterConfig::default().read_catalogue().unwrap();
    assert_eq!(catalogue.models.len(), 5);
    assert!(catalogue.models["whisper-tiny-en"].takes("audio/wav"));
    let policies = RouterConfig::default().read_policies().unwrap();
    assert!(policies.ids().contains(&"personal-data-stays-local".to_owned()));
}

#[test]
fn every_fault_is_named() {
    let text = r#"
currency = "euro"
provider = [{ name = "local", kind = "local", location = "external" },
            { name = "cloud", kind = "openai", location = "external", base_url = "http://example.com/v1", api_key = { env = "KEY" } },
            { name = "void", kind = "openai", location = "external" }]
model = [{ name = "auto", provider = "local", capabilities = ["chat"], data_classes = [] },
         { name = "m", provider = "nobody", capabilities = ["chat"], data_classes = [] },
         { name = "n", provider = "cloud", capabilities = ["read"], data_classes = [], price = { input_token = 10000001 } }]
route = [{ name = "m", models = ["ghost"] }]
"#;
    let Err(CatalogueError::Faults(faults)) = parse(text) else { panic!("it was accepted") };
    let expected = [
        "currency \"euro\"",
        "model name \"auto\"",
        "never travels over plain http",
        "there is no provider \"nobody\"",
        "media_types belong to the capability \"read\"",
        "nano-units per token",
        "names tenants and purposes",
        "route \"m\" has the name of a model",
        "there is no model \"ghost\"",
    ];
    for part in expected {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part:?} is not in {faults:#?}");
    }
}

#[test]
fn a_misspelt_field_names_its_line() {
    let text = "currency = \"EUR\"\n\n[[model]]\nname = \"m\"\nprovidr = \"local\"\n";
    let Err(CatalogueError::Syntax(message)) = parse(text) else { panic!("it was accepted") };
    assert!(message.contains("line 5") && message.contains("providr"), "{message}");
}

#[test]
fn the_digest_changes_with_a_price_and_not_with_a_comment() {
    let text = "currency = \"EUR\"\nprovider = [{ name = \"l\", kind = \"local\", location = \"local\" }]\n[[model]]\nname = \"m\"\nprovider = \"l\"\ncapabilities = [\"chat\"]\ndata_classes = []\nprice = { output_token = 1 }\n";
    let digest = |text: &str| parse(text).unwrap().digest;
    assert_eq!(digest(text), digest(&format!("# a comment\n{text}")));
    assert_ne!(digest(text), digest(&text.replace("output_token = 1", "output_token = 2")));
}
