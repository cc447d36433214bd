//! Budgets: redis-server with a password, every change appended to a file.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;
use nix::sys::signal::Signal;
use orrery_config::Paths;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::child::{ChildProcess, Probe};
use super::{secret, write_private};

/// The server and how to reach it.
pub struct Redis {
    pub child: ChildProcess,
    pub url: String,
}

/// Describes the server. The password stands in a file, since arguments are seen by everyone on the machine.
pub fn server(paths: &Paths, port: u16) -> Result<Redis> {
    let folder = paths.data.join("redis");
    let password = secret();
    let config = folder.join("redis.conf");
    let text = format!(
        "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{}\"\nappendonly yes\nsave \"\"\ndaemonize no\n",
        folder.display()
    );
    write_private(&config, &text)?;
    let url = format!("redis://:{password}@127.0.0.1:{port}/");
    let ready: Probe = Arc::new(move || answers(port, password.clone()).boxed());
    let child = ChildProcess {
        name: "redis",
        program: paths.program("redis-server").unwrap_or_else(|| "redis-server".into()),
        args: vec![config.into()],
        env: Vec::new(),
        owner: None,
        listen: format!("redis://127.0.0.1:{port}"),
        log: paths.data.join("logs/redis.log"),
        alive: ready.clone(),
        ready,
        start_within: Duration::from_secs(30),
        stop_signal: Signal::SIGTERM,
        stop_within: Duration::from_secs(10),
    };
    Ok(Redis { child, url })
}

/// A server that still loads its file accepts connections but no commands.
async fn answers(port: u16, password: String) -> Result<(), String> {
    let ask = async {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        stream.write_all(format!("AUTH {password}\r\nPING\r\n").as_bytes()).await?;
        let (mut auth, mut ping) = (String::new(), String::new());
        stream.read_line(&mut auth).await?;
        stream.read_line(&mut ping).await?;
        Ok::<_, std::io::Error>(ping)
    };
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) if answer.starts_with("+PONG") => Ok(()),
        Ok(Ok(answer)) => Err(answer.trim().to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err("it accepts connections but does not answer".to_owned()),
    }
}
