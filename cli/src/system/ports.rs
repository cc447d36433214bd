//! Free loopback ports for everything that listens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result};

const DEFAULT_HTTP_PORT: u16 = 8080;

/// One port for each listener.
#[derive(Debug)]
pub struct Ports {
    /// The gateway's public interface.
    pub http: SocketAddr,
    pub nats: u16,
    pub redis: u16,
    pub postgres: u16,
    /// Health and metrics, one for each service.
    pub admin: Vec<u16>,
}

/// Chooses them. All are held until the last is known, so that none is given twice.
pub fn choose(http: Option<SocketAddr>, services: usize) -> Result<Ports> {
    let gateway = listen_http(http)?;
    let held: Vec<TcpListener> = (0..services + 3).map(|_| free()).collect::<Result<_>>()?;
    let mut ports = Vec::new();
    for listener in &held {
        ports.push(listener.local_addr()?.port());
    }
    let mut next = ports.into_iter();
    let mut port = || next.next().context("too few ports were chosen");
    Ok(Ports { http: gateway.local_addr()?, nats: port()?, redis: port()?, postgres: port()?, admin: next.collect() })
}

fn listen_http(wanted: Option<SocketAddr>) -> Result<TcpListener> {
    if let Some(address) = wanted {
        return TcpListener::bind(address)
            .with_context(|| format!("cannot listen on {address}; choose another address with --http"));
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, DEFAULT_HTTP_PORT)).or_else(|_taken| free())
}

fn free() -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free loopback port")
}
