//! A stand-in for a provider that speaks OpenAI's chat completions, plain and streamed, and costs next to nothing. It runs as
//! a process of its own, on one thread, and says what it saw: how many calls, and which callers left when.

mod answers;
mod serve;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use answers::Answers;
pub use answers::text;

/// Path at which it says what it saw.
pub const FACTS_PATH: &str = "/facts";
/// Start of a prompt whose caller will leave, before a number.
pub const LEAVER: &str = "leaver-";

/// How it answers.
#[derive(Debug, Clone, Args)]
pub struct ProviderOptions {
    /// Loopback port to listen on.
    #[arg(long)]
    pub port: u16,
    /// Name of its one model.
    #[arg(long)]
    pub model: String,
    /// Words in an answer: as many output tokens, and as many chunks of a streamed one.
    #[arg(long, default_value_t = 16)]
    pub words: usize,
    /// Milliseconds before an answer begins.
    #[arg(long, default_value_t = 0)]
    pub delay_ms: u64,
    /// Milliseconds between the chunks of a streamed answer.
    #[arg(long, default_value_t = 0)]
    pub pause_ms: u64,
}

/// What it saw since it was started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Calls whose request it has read.
    pub calls: u64,
    /// Callers that closed their connection before they had their answer, with the number in their prompt.
    pub left: Vec<Left>,
}

/// A caller that left.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Left {
    /// What stood after [`LEAVER`] in its prompt.
    pub number: u64,
    /// When its connection was seen closed; see [`now_us`].
    pub at_us: u64,
}

/// Microseconds on the clock that all processes of a machine share.
pub fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

/// Input tokens of a prompt: its words.
pub fn tokens(prompt: &str) -> usize {
    prompt.split_whitespace().count()
}

struct Provider {
    answers: Answers,
    delay: Duration,
    pause: Duration,
    calls: AtomicU64,
    left: Mutex<Vec<Left>>,
}

/// Serves until the process is ended.
pub async fn run(options: ProviderOptions) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let provider = Arc::new(Provider {
        answers: Answers::new(&options.model, options.words),
        delay: Duration::from_millis(options.delay_ms),
        pause: Duration::from_millis(options.pause_ms),
        calls: AtomicU64::new(0),
        left: Mutex::default(),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let provider = provider.clone();
        tokio::spawn(async move { serve::connection(stream, &provider).await });
    }
}
