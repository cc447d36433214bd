//! The `[gateway]` section of the configuration file.

use std::path::PathBuf;

use orrery_egress::HostRule;
use serde::Deserialize;

/// Settings of the gateway. All have defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Tenant of the first key; see `bootstrap_key_file`. Default: `default`.
    pub bootstrap_tenant: String,
    /// When there is no key at all, one with the roles `admin` and `operator` is made and written here, mode 0600; a key
    /// that the file already holds is taken instead. Default: none is made.
    pub bootstrap_key_file: Option<PathBuf>,
    /// Bytes of a request that carries files. Default: 100 MiB.
    pub upload_bytes_max: u64,
    /// Bytes of any other request body, and of each text field of a form. Default: 7 MiB, which is also
    /// the most, since a message on the bus holds 8.
    pub json_bytes_max: usize,
    /// Parts of a multipart body. Default: 32.
    pub parts_max: usize,
    /// Uploads that may be received at once. Default: 32.
    pub uploads_max: usize,
    /// Lines of batches that this process calls at once. Default: 32.
    pub batch_lines_max: usize,
    /// Connections at once. Default: 4096.
    pub connections_max: usize,
    /// Calls to models that may be under way at once; of priority `normal` 80 % of them, `batch` 50 %. Default: 1024.
    pub model_calls_max: usize,
    /// Bytes of the bodies of those calls, in the same shares. Default: 256 MiB.
    pub model_bytes_max: usize,
    /// Event streams that may be open at once. Default: 1024.
    pub event_streams_max: usize,
    /// Classes of the data in OpenAI-compatible calls that do not say otherwise. Default: `personal`, which stays on local
    /// models.
    pub direct_data_classes: Vec<String>,
    /// Hosts whose files may be named in messages by an `https:` address, which the provider or the model's connector then
    /// fetches: names, `*.name`, or public addresses and networks. Default: none; files come as `data:` URLs.
    pub media_hosts: Vec<HostRule>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            bootstrap_tenant: "default".to_owned(),
            bootstrap_key_file: None,
            upload_bytes_max: 100 * 1024 * 1024,
            json_bytes_max: JSON_BYTES_LIMIT,
            parts_max: 32,
            uploads_max: 32,
            batch_lines_max: 32,
            connections_max: 4096,
            model_calls_max: 1024,
            model_bytes_max: 256 * 1024 * 1024,
            event_streams_max: 1024,
            direct_data_classes: vec!["personal".to_owned()],
            media_hosts: Vec::new(),
        }
    }
}

/// Room for the rest of a message beside the body.
const JSON_BYTES_LIMIT: usize = 7 * 1024 * 1024;

impl GatewayConfig {
    /// Checks what types cannot.
    pub fn check(&self) -> Result<(), String> {
        if self.json_bytes_max > JSON_BYTES_LIMIT {
            return Err(format!(
                "gateway.json_bytes_max is {}; at most {JSON_BYTES_LIMIT} fit into a message",
                self.json_bytes_max
            ));
        }
        let zero = [
            self.parts_max,
            self.uploads_max,
            self.batch_lines_max,
            self.connections_max,
            self.model_calls_max,
            self.model_bytes_max,
            self.event_streams_max,
            self.json_bytes_max,
        ];
        if zero.contains(&0) || self.upload_bytes_max == 0 {
            return Err("a limit in [gateway] is 0; leave it out for its default".to_owned());
        }
        Ok(())
    }
}
