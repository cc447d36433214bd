//! The configuration file of a nats-server that enforces [`crate::access`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::access::{self, OPERATOR, Permissions, TENANT_PREFIX};
use crate::subjects::SERVICES;

/// Messages up to this size; larger payloads go through the object store.
const PAYLOAD_BYTES_MAX: u64 = 8 * 1024 * 1024;
const KERNEL: &str = "kernel";

/// Passwords by NATS user: the operator, the six services, and one user per tenant that other systems use.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    passwords: BTreeMap<String, String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.passwords.keys()).finish()
    }
}

impl Credentials {
    /// Fresh passwords for the operator, the services and the given tenants.
    pub fn generate(tenants: &[&str]) -> Self {
        let services = SERVICES.iter().map(|service| (*service).to_owned());
        let tenants = tenants.iter().map(|tenant| access::tenant_user(tenant));
        let users = services.chain(tenants).chain([OPERATOR.to_owned()]);
        Self { passwords: users.map(|user| (user, format!("{:032x}", rand::random::<u128>()))).collect() }
    }

    /// Passwords kept from an earlier start; users that have appeared since get fresh ones.
    pub fn restore(kept: BTreeMap<String, String>, tenants: &[&str]) -> Self {
        let mut credentials = Self::generate(tenants);
        credentials.passwords.extend(kept);
        credentials
    }

    /// All of them by user, for a file that only its owner can read.
    pub fn passwords(&self) -> &BTreeMap<String, String> {
        &self.passwords
    }

    /// The password of a user.
    pub fn password(&self, user: &str) -> Option<&str> {
        self.passwords.get(user).map(String::as_str)
    }
}

/// The text of a `nats-server` configuration that listens on loopback only. `port` -1 lets the server choose.
pub fn server_config(credentials: &Credentials, port: i32, store: &Path) -> String {
    let mut users = String::new();
    for (user, password) in &credentials.passwords {
        if let Some(mut permissions) = permissions_of(user) {
            if user == KERNEL {
                permissions.publish.extend(tenants(credentials).flat_map(access::work_of));
            }
            let publish = list(&permissions.publish);
            let denied = list(&permissions.publish_denied);
            let subscribe = list(&permissions.subscribe);
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                users,
                "  {{ user: {user:?}, password: {password:?}, permissions: {{ publish: {{ allow: [{publish}], deny: [{denied}] }}, subscribe: [{subscribe}] }} }}"
            );
        }
    }
    let store = store.display();
    format!(
        "listen: \"127.0.0.1:{port}\"\n\
         server_name: orrery\n\
         max_payload: {PAYLOAD_BYTES_MAX}\n\
         max_pending: 268435456\n\
         # A process that hangs keeps its connection, and with it its part of the calls: it is cut off within seconds.\n\
         ping_interval: \"2s\"\n\
         ping_max: 2\n\
         # An acknowledged publish is on the disk: what is removed from an outbox cannot be lost with the machine.\n\
         jetstream {{ store_dir: \"{store}\", sync_interval: always }}\n\
         authorization {{ users: [\n{users}] }}\n"
    )
}

fn tenants(credentials: &Credentials) -> impl Iterator<Item = &str> {
    credentials.passwords.keys().filter_map(|user| user.strip_prefix(TENANT_PREFIX))
}

fn permissions_of(user: &str) -> Option<Permissions> {
    if user == OPERATOR {
        return Some(access::operator());
    }
    match user.strip_prefix(TENANT_PREFIX) {
        Some(tenant) => Some(access::tenant(tenant)),
        None => access::service(user),
    }
}

fn list(subjects: &[String]) -> String {
    let quoted: Vec<String> = subjects.iter().map(|subject| format!("{subject:?}")).collect();
    quoted.join(", ")
}
