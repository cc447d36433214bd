//! The `[kernel]` section of the configuration file.
//!
//! ```toml
//! [kernel.fairness]
//! runs_max = 512                # runs that execute at once in each process; those that wait do not count
//! calls_max = 64                # calls to models and knowledge at once in each process
//! tenant_share_percent = 75     # of both, that one tenant may use even when it is alone
//! ageing_ms = 10000             # one step of priority is worth this much waiting
//!
//! [kernel.fairness.default]     # every tenant that is not named below
//! weight = 1
//!
//! [kernel.fairness.tenants.acme]   # this and what follows: over all processes together
//! weight = 4
//! runs_max = 100
//! starts_per_second = 50.0
//!
//! [kernel.fairness.definitions.claims-intake]   # each tenant's own
//! runs_max = 10
//!
//! [kernel.fairness.queues.ocr]  # task queues of external workers, each tenant's own
//! leases_max = 8
//! leases_per_second = 2.0
//!
//! [kernel.batches]
//! active_max = 4                # operations on many runs that one tenant may have under way
//! rate_max = 1000               # runs a second that one of them may ask for
//!
//! [kernel.retention]            # for tenants and workflows that have no rule of their own
//! keep_ms = 7776000000          # 90 days after their end; left out, tasks are kept for good
//! archive = true                # in the object store, before they are removed
//! ```

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::fairness::{Limits, Policy, Rate, Share, StepClock};
use crate::domain::retention::KEEP_MS_MAX;
use crate::providers::{NetworkConfig, SandboxConfig, SecretsConfig};
use crate::shares::Part;

/// Settings of the kernel. All have defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KernelConfig {
    /// Which hosts workflows may call.
    pub http: NetworkConfig,
    /// Where the secrets of workflows lie.
    pub secrets: SecretsConfig,
    /// What scripts and shells run in. Default: they are refused.
    pub sandbox: Option<SandboxConfig>,
    /// Who goes next.
    pub fairness: FairnessConfig,
    /// Operations on many runs.
    pub batches: BatchesConfig,
    /// How long runs that are over are kept.
    pub retention: RetentionConfig,
}

impl KernelConfig {
    /// For a kernel inside a program of one user, who may call whatever the machine can reach; with a `bwrap` it runs scripts
    /// and shells as well.
    pub fn embedded(secrets: Option<PathBuf>, bubblewrap: Option<PathBuf>) -> Self {
        let secrets = SecretsConfig { directory: secrets };
        let sandbox = bubblewrap.map(SandboxConfig::new);
        Self { http: NetworkConfig::open(), secrets, sandbox, ..Self::default() }
    }
}

/// Limits of operations on many runs.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchesConfig {
    /// Batches of one tenant that are not over, paused ones included. Default 4, 1 to 64.
    pub active_max: u32,
    /// The highest rate that a batch may ask for, in runs a second. Default 1,000, 1 to 1,000.
    pub rate_max: u32,
}

impl Default for BatchesConfig {
    fn default() -> Self {
        Self { active_max: 4, rate_max: 1_000 }
    }
}

impl BatchesConfig {
    /// Refuses what is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let within = |key: &str, holds, bounds| match holds {
            true => Ok(()),
            false => Err(OutOfBounds { section: "batches", key: key.to_owned(), bounds }),
        };
        within("active_max", (1..=64).contains(&self.active_max), "1 to 64")?;
        within("rate_max", (1..=1_000).contains(&self.rate_max), "1 to 1,000")
    }
}

/// How long runs that are over are kept where neither their workflow nor their tenant says so, and what may be said.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// For how long. Default: for good. From `keep_ms_min` to a hundred years.
    pub keep_ms: Option<i64>,
    /// Whether they are archived before they are removed. Default: they are.
    pub archive: bool,
    /// The shortest that anyone may set. Default an hour, 3,600,000; 0 or more.
    pub keep_ms_min: i64,
    /// A run that was started under an idempotency key is kept for so long at least, and its key with it. Default a day,
    /// 86,400,000; at most a year.
    pub keys_kept_ms: u64,
    /// How often it is looked for runs to remove. Default ten minutes, 600,000; 100 to a day, 86,400,000.
    pub sweep_ms: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { keep_ms: None, archive: true, keep_ms_min: 3_600_000, keys_kept_ms: 86_400_000, sweep_ms: 600_000 }
    }
}

impl RetentionConfig {
    /// Refuses what is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let within = |key: &str, holds, bounds| match holds {
            true => Ok(()),
            false => Err(OutOfBounds { section: "retention", key: key.to_owned(), bounds }),
        };
        let keeps = self.keep_ms.is_none_or(|keep| (self.keep_ms_min..=KEEP_MS_MAX).contains(&keep));
        within("keep_ms", keeps, "keep_ms_min to a hundred years, 3,153,600,000,000")?;
        within("keep_ms_min", (0..=KEEP_MS_MAX).contains(&self.keep_ms_min), "0 to a hundred years")?;
        within("keys_kept_ms", self.keys_kept_ms <= 31_536_000_000, "a year at most, 31,536,000,000")?;
        within("sweep_ms", (100..=86_400_000).contains(&self.sweep_ms), "100 to 86,400,000")
    }
}

/// Weights and limits.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FairnessConfig {
    /// Runs that execute at once in one process; further ones are pending. Default 512, 1 to 100,000.
    pub runs_max: u32,
    /// Calls at once of one process. Who runs the models queues them; this bounds what one kernel asks for. Default 64, 1 to 4,096.
    pub calls_max: u32,
    /// How much of both one tenant may use even when it is alone, so that another finds room at once. Default 75, 1 to 100.
    pub tenant_share_percent: u32,
    /// One step of priority is worth this much waiting. Default 10,000, at most a day.
    pub ageing_ms: u64,
    /// Every tenant that is not named.
    pub default: TenantLimits,
    /// By tenant.
    pub tenants: HashMap<String, TenantLimits>,
    /// By the name of a workflow; each tenant's own.
    pub definitions: HashMap<String, DefinitionLimits>,
    /// By the name of a task queue; each tenant's own.
    pub queues: HashMap<String, QueueLimits>,
}

/// Of one tenant, over all processes. What is not set is bounded by `tenant_share_percent` of each process alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantLimits {
    /// Its part relative to other tenants. Default 1, 1 to 1,000.
    pub weight: u32,
    /// Runs that execute at once, 1 or more.
    pub runs_max: Option<u32>,
    /// Calls at once, 1 or more.
    pub calls_max: Option<u32>,
    /// Runs that begin each second, above 0.
    pub starts_per_second: Option<f64>,
    /// How many may begin at once after a pause, 1 or more. Default: those of one second.
    pub starts_burst: Option<f64>,
}

/// Of one workflow, over all processes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DefinitionLimits {
    /// Runs that execute at once, 1 or more.
    pub runs_max: Option<u32>,
    /// Runs that begin each second, above 0.
    pub starts_per_second: Option<f64>,
    /// How many may begin at once after a pause, 1 or more.
    pub starts_burst: Option<f64>,
}

/// Of one task queue, over all processes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueLimits {
    /// Steps that workers hold at once, 1 or more.
    pub leases_max: Option<u32>,
    /// Steps handed out each second, above 0.
    pub leases_per_second: Option<f64>,
    /// How many may be handed out at once after a pause, 1 or more.
    pub leases_burst: Option<f64>,
}

/// A setting outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kernel.{section}.{key} must be {bounds}")]
pub struct OutOfBounds {
    section: &'static str,
    key: String,
    bounds: &'static str,
}

impl Default for FairnessConfig {
    fn default() -> Self {
        Self {
            runs_max: 512,
            calls_max: 64,
            tenant_share_percent: 75,
            ageing_ms: 10_000,
            default: TenantLimits::default(),
            tenants: HashMap::new(),
            definitions: HashMap::new(),
            queues: HashMap::new(),
        }
    }
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self { weight: 1, runs_max: None, calls_max: None, starts_per_second: None, starts_burst: None }
    }
}

const ONE_OR_MORE: &str = "1 or more";

fn within(key: String, holds: bool, bounds: &'static str) -> Result<(), OutOfBounds> {
    if holds { Ok(()) } else { Err(OutOfBounds { section: "fairness", key, bounds }) }
}

fn count(key: String, value: Option<u32>) -> Result<(), OutOfBounds> {
    within(key, value.is_none_or(|value| value >= 1), ONE_OR_MORE)
}

fn rate_in_bounds(key: &str, per_second: Option<f64>, burst: Option<f64>) -> Result<(), OutOfBounds> {
    let fits = |value: Option<f64>, least: f64| value.is_none_or(|it| it >= least && it <= 1_000_000.0);
    within(format!("{key}_per_second"), fits(per_second, 0.001), "between 0.001 and 1,000,000")?;
    within(format!("{key}_burst"), fits(burst, 1.0), "between 1 and 1,000,000")
}

fn limits(concurrency_max: Option<u32>, per_second: Option<f64>, burst: Option<f64>) -> Limits {
    let rate = per_second.map(|per_second| Rate { per_second, burst: burst.unwrap_or(per_second).max(1.0) });
    Limits { concurrency_max, rate }
}

fn divide(part: Part, per_second: &mut Option<f64>, burst: &mut Option<f64>) {
    *per_second = per_second.map(|whole| part.rate(whole));
    *burst = burst.map(|whole| part.rate(whole).max(1.0));
}

impl FairnessConfig {
    /// Refuses what is out of bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        within("runs_max".into(), (1..=100_000).contains(&self.runs_max), "1 to 100,000")?;
        within("calls_max".into(), (1..=4_096).contains(&self.calls_max), "1 to 4,096")?;
        within("tenant_share_percent".into(), (1..=100).contains(&self.tenant_share_percent), "1 to 100")?;
        within("ageing_ms".into(), self.ageing_ms <= 86_400_000, "a day at most, 86,400,000")?;
        let default = [("default".to_owned(), &self.default)];
        let tenants = self.tenants.iter().map(|(name, limits)| (format!("tenants.{name}"), limits));
        for (key, tenant) in default.into_iter().chain(tenants) {
            within(format!("{key}.weight"), (1..=1_000).contains(&tenant.weight), "1 to 1,000")?;
            count(format!("{key}.runs_max"), tenant.runs_max)?;
            count(format!("{key}.calls_max"), tenant.calls_max)?;
            rate_in_bounds(&format!("{key}.starts"), tenant.starts_per_second, tenant.starts_burst)?;
        }
        for (name, definition) in &self.definitions {
            count(format!("definitions.{name}.runs_max"), definition.runs_max)?;
            let key = format!("definitions.{name}.starts");
            rate_in_bounds(&key, definition.starts_per_second, definition.starts_burst)?;
        }
        for (name, queue) in &self.queues {
            count(format!("queues.{name}.leases_max"), queue.leases_max)?;
            rate_in_bounds(&format!("queues.{name}.leases"), queue.leases_per_second, queue.leases_burst)?;
        }
        Ok(())
    }

    /// A process's part of the limits that hold over all processes: those of tenants, workflows and queues. What one
    /// process can have under way at once, and what follows from that, is each one's own.
    #[must_use]
    pub fn part(&self, part: Part) -> Self {
        let mut own = self.clone();
        for tenant in own.tenants.values_mut().chain([&mut own.default]) {
            tenant.runs_max = tenant.runs_max.map(|most| part.count(most));
            tenant.calls_max = tenant.calls_max.map(|most| part.count(most));
            divide(part, &mut tenant.starts_per_second, &mut tenant.starts_burst);
        }
        for definition in own.definitions.values_mut() {
            definition.runs_max = definition.runs_max.map(|most| part.count(most));
            divide(part, &mut definition.starts_per_second, &mut definition.starts_burst);
        }
        for queue in own.queues.values_mut() {
            divide(part, &mut queue.leases_per_second, &mut queue.leases_burst);
        }
        own
    }

    /// Who begins to run next.
    pub fn runs(&self) -> Policy {
        let share = |tenant: &TenantLimits| {
            let most = tenant.runs_max.unwrap_or_else(|| self.share_of(self.runs_max));
            let limits = limits(Some(most), tenant.starts_per_second, tenant.starts_burst);
            Share { weight: tenant.weight, limits }
        };
        let definition = |it: &DefinitionLimits| limits(it.runs_max, it.starts_per_second, it.starts_burst);
        Policy {
            definitions: self.definitions.iter().map(|(name, it)| (name.clone(), definition(it))).collect(),
            ..self.policy(self.runs_max, share)
        }
    }

    /// Whose call is made next.
    pub fn calls(&self) -> Policy {
        let share = |tenant: &TenantLimits| {
            let most = tenant.calls_max.unwrap_or_else(|| self.share_of(self.calls_max));
            Share { weight: tenant.weight, limits: limits(Some(most), None, None) }
        };
        self.policy(self.calls_max, share)
    }

    /// Whose step is decided and committed next.
    pub fn steps(&self) -> StepClock {
        let weights = self.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.weight));
        StepClock::new(weights.collect(), self.default.weight)
    }

    /// What workers may hold and take. The leases themselves are counted in their rows; this knows the rates.
    pub fn leases(&self) -> Policy {
        let queue = |it: &QueueLimits| limits(None, it.leases_per_second, it.leases_burst);
        let share = |tenant: &TenantLimits| Share { weight: tenant.weight, limits: Limits::default() };
        Policy {
            queues: self.queues.iter().map(|(name, it)| (name.clone(), queue(it))).collect(),
            ..self.policy(u32::MAX, share)
        }
    }

    fn policy(&self, slots: u32, share: impl Fn(&TenantLimits) -> Share) -> Policy {
        Policy {
            slots,
            share: share(&self.default),
            shares: self.tenants.iter().map(|(name, tenant)| (name.clone(), share(tenant))).collect(),
            definitions: HashMap::new(),
            queues: HashMap::new(),
            ageing: Duration::from_millis(self.ageing_ms),
        }
    }

    fn share_of(&self, slots: u32) -> u32 {
        let share = u64::from(slots) * u64::from(self.tenant_share_percent) / 100;
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_the_setting() {
        let config = FairnessConfig::default();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.runs().share.limits.concurrency_max, Some(384));
        let mut wrong = config.clone();
        wrong.tenants.insert("acme".into(), TenantLimits { weight: 0, ..TenantLimits::default() });
        let said = wrong.check().map_err(|error| error.to_string());
        assert_eq!(said, Err("kernel.fairness.tenants.acme.weight must be 1 to 1,000".to_owned()));
        let mut wrong = config;
        wrong.definitions.insert(
            "claims".into(),
            DefinitionLimits { starts_per_second: Some(f64::NAN), ..DefinitionLimits::default() },
        );
        assert!(wrong.check().is_err());
    }
}
