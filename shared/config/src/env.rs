//! Every environment name that the project reads, and the only place that reads them.

/// Folder of downloads, models and build artefacts. Default: `$HOME/.cache/orrery`.
pub const CACHE: &str = "ORRERY_CACHE";
/// Folder of everything a running system stores. Default: `$HOME/.local/share/orrery`.
pub const DATA: &str = "ORRERY_DATA";
/// Path of a TOML configuration file. Default: none.
pub const CONFIG: &str = "ORRERY_CONFIG";
/// NATS server, for example `nats://127.0.0.1:4222`.
pub const NATS_URL: &str = "ORRERY_NATS_URL";
/// NATS user of this service.
pub const NATS_USER: &str = "ORRERY_NATS_USER";
/// NATS password of this service.
pub const NATS_PASSWORD: &str = "ORRERY_NATS_PASSWORD";
/// `sqlite:///path/file.db` or `postgres://…`.
pub const DATABASE_URL: &str = "ORRERY_DATABASE_URL";
/// `redis://…`, used by the router.
pub const REDIS_URL: &str = "ORRERY_REDIS_URL";
/// The keys that seal providers' secrets, 64 hexadecimal digits each, separated by commas; the first one seals.
pub const SECRETS_KEY: &str = "ORRERY_SECRETS_KEY";
/// File of the keys that seal providers' secrets, one a line. Default: `secrets.key` in the data folder.
pub const SECRETS_KEY_FILE: &str = "ORRERY_SECRETS_KEY_FILE";
/// Address of the health and metrics endpoint of this service.
pub const ADMIN_LISTEN: &str = "ORRERY_ADMIN_LISTEN";
/// Address of the gateway's public HTTP interface.
pub const HTTP_LISTEN: &str = "ORRERY_HTTP_LISTEN";
/// `cpu`, `cuda` or `cuda:N`; default: CUDA when it works, else CPU.
pub const DEVICE: &str = "ORRERY_DEVICE";
/// Log filter as `tracing` takes it. Default: `info`.
pub const LOG: &str = "ORRERY_LOG";
/// `json` or `text`. Default: `json` for services.
pub const LOG_FORMAT: &str = "ORRERY_LOG_FORMAT";
/// OTLP/HTTP endpoint for traces, OpenTelemetry's own name. Default: no export.
pub const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The gateway that the command line talks to.
pub const URL: &str = "ORRERY_URL";
/// The API key that the command line uses.
pub const API_KEY: &str = "ORRERY_API_KEY";
/// OpenMP's own name: whether idle threads of libtorch sleep (`PASSIVE`) or spin.
pub const OMP_WAIT_POLICY: &str = "OMP_WAIT_POLICY";
/// The one seed that the kernel's simulation runs, for tests. Default: other ones each time.
pub const SIMULATION_SEED: &str = "ORRERY_SIMULATION_SEED";
/// How many schedules the kernel's simulation runs, for tests. Default: 1,000.
pub const SIMULATION_SCHEDULES: &str = "ORRERY_SIMULATION_SCHEDULES";
/// Home folder of the user.
pub const HOME: &str = "HOME";
/// Folders in which the user's programs lie, separated by colons.
pub const PATH: &str = "PATH";

/// Start of the names of workflows' secrets: `ORRERY_SECRET__<TENANT>__<NAME>`.
pub const SECRET: &str = "ORRERY_SECRET";

/// The environment name of a secret of a tenant, in capitals with `_` for every other character. None for tenants and
/// secrets whose names another's could be written like.
pub fn secret_name(tenant: &str, name: &str) -> Option<String> {
    let part = |text: &str| {
        let plain = text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.'));
        let written: String =
            text.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' }).collect();
        (plain && !written.contains("__") && !written.starts_with('_') && !written.ends_with('_')).then_some(written)
    };
    // Tenants are kept apart, so theirs must not be written in two ways.
    let unique = tenant.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
    Some(format!("{SECRET}__{}__{}", part(tenant).filter(|_| unique)?, part(name)?))
}

/// A secret of a tenant's workflows.
pub fn secret(tenant: &str, name: &str) -> Option<String> {
    read(&secret_name(tenant, name)?)
}

/// The value of `name`; empty counts as not set.
#[allow(clippy::disallowed_methods)] // the one place that may read the environment
pub fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tenants_share_the_name_of_a_secret() {
        assert_eq!(secret_name("acme-1", "api.key").as_deref(), Some("ORRERY_SECRET__ACME_1__API_KEY"));
        for (tenant, name) in [("acme_1", "x"), ("ACME", "x"), ("a--b", "x"), ("a", "b__c"), ("a", "-b"), ("-a", "b")] {
            assert_eq!(secret_name(tenant, name), None, "{tenant} {name}");
        }
    }
}
