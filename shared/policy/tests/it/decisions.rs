//! What a bundle answers, and that its digest is over meaning.

use std::collections::BTreeMap;

use orrery_policy::{Bundle, ModelAccess, ModelFacts};

fn bundle(texts: &[&str]) -> Bundle {
    let files = texts.iter().enumerate().map(|(at, text)| (format!("{at}.cedar"), (*text).to_owned()));
    Bundle::parse(&files.collect::<BTreeMap<_, _>>()).unwrap()
}

fn access<'a>(location: &'a str, data_classes: &'a [String], roles: &'a [String]) -> ModelAccess<'a> {
    let model = ModelFacts {
        name: "m",
        provider: "p",
        location,
        capabilities: &[],
        data_classes: &[],
        tenants: &[],
        purposes: &[],
    };
    ModelAccess { tenant: "acme", principal: "ana", roles, model, capability: "chat", data_classes, purpose: "" }
}

const PERMIT: &str = "@id(\"open\") permit (principal, action, resource);";
const FORBID: &str = "@id(\"home\") forbid (principal, action, resource) when { context.data_classes.contains(\"personal\") && resource.location != \"local\" };";

#[test]
fn forbid_overrides_permit_and_is_named() {
    let bundle = bundle(&[PERMIT, FORBID]);
    let personal = ["personal".to_owned()];
    let denied = bundle.model_access(&access("external", &personal, &[])).unwrap();
    assert!(!denied.allowed);
    assert_eq!(denied.policies, ["home"]);
    assert_eq!(denied.reason(), "forbidden by home");
    let allowed = bundle.model_access(&access("local", &personal, &[])).unwrap();
    assert!(allowed.allowed);
    assert_eq!(allowed.policies, ["open"]);
}

#[test]
fn what_nothing_permits_is_denied_without_a_policy() {
    let bundle = bundle(&["@id(\"r\") permit (principal in Orrery::Role::\"developer\", action, resource);"]);
    let denied = bundle.model_access(&access("local", &[], &["auditor".to_owned()])).unwrap();
    assert!(!denied.allowed && denied.policies.is_empty());
    assert_eq!(denied.reason(), "no policy permits it");
    assert!(
        bundle.model_access(&access("local", &[], &["auditor".to_owned(), "developer".to_owned()])).unwrap().allowed
    );
}

#[test]
fn a_policy_can_speak_of_the_tenant() {
    let mine = bundle(&["@id(\"t\") permit (principal in Orrery::Tenant::\"acme\", action, resource);"]);
    assert!(mine.model_access(&access("local", &[], &[])).unwrap().allowed);
    let theirs = bundle(&[
        "@id(\"t\") permit (principal, action, resource) when { principal.tenant == Orrery::Tenant::\"other\" };",
    ]);
    assert!(!theirs.model_access(&access("local", &[], &[])).unwrap().allowed);
}

#[test]
fn a_policy_that_fails_to_evaluate_denies() {
    let overflow = "@id(\"sum\") forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };";
    let verdict = bundle(&[PERMIT, overflow]).model_access(&access("local", &[], &[])).unwrap();
    assert!(!verdict.allowed);
    assert_eq!(verdict.errors.len(), 1);
}

#[test]
fn names_with_quotes_and_stars_are_data_not_syntax() {
    let roles = ["x\" || true || \"".to_owned()];
    let bundle = bundle(&["@id(\"r\") permit (principal in Orrery::Role::\"x\", action, resource);"]);
    assert!(!bundle.model_access(&access("local", &[], &roles)).unwrap().allowed);
}

#[test]
fn the_digest_sees_meaning_and_not_layout() {
    let one = bundle(&[PERMIT, FORBID]);
    let shuffled = bundle(&[&FORBID.replace(" && ", "\n  // why\n  &&  "), PERMIT]);
    assert_eq!(one.digest(), shuffled.digest());
    let changed = bundle(&[PERMIT, &FORBID.replace("personal", "secret")]);
    assert_ne!(one.digest(), changed.digest());
    let renamed = bundle(&[&PERMIT.replace("open", "wide"), FORBID]);
    assert_ne!(one.digest(), renamed.digest());
}
