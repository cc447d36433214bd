//! The document says what the routes do.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

#[test]
fn every_route_is_in_the_document_and_every_path_of_the_document_is_a_route() {
    let document: Value = serde_json::from_str(&orrery_gateway::openapi_document().unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let routes: BTreeSet<String> =
        orrery_gateway::registered_routes().iter().map(|route| format!("{} {}", route.method, route.pattern)).collect();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
            let parts = path.matches('{').count();
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, parts, "the parts of {path} are not all described");
            assert!(operation["responses"]["default"].is_object(), "{path} does not say how it fails");
            assert_eq!(operation["security"].is_array(), path != "/openapi.json", "{path}");
        }
    }
    assert_eq!(routes, documented);
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let text = orrery_gateway::openapi_document().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let references: BTreeSet<&str> = text.split('"').filter(|part| part.starts_with("#/")).collect();
    assert!(!references.is_empty());
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
}

#[actix_web::test]
async fn the_document_is_served_without_a_key() {
    let world = World::start().await;
    let served = world.http.get(format!("{}/openapi.json", world.base)).send().await.unwrap();
    assert_eq!(served.status().as_u16(), 200);
    assert_eq!(served.json::<Value>().await.unwrap()["info"]["title"], "Orrery");
}
