//! The small HTTP endpoint of each service: `/health/live`, `/health/ready` and `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Serialize;

use crate::setup::render_metrics;

/// What a service says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// It need not be restarted.
    pub live: bool,
    /// It can take work.
    pub ready: bool,
    /// Why not, when it is not.
    pub reasons: Vec<String>,
}

/// Asked on each request.
pub type Probe = Arc<dyn Fn() -> Health + Send + Sync>;

/// Serves until the handle is stopped. Returns the address, since port 0 means a free one.
pub async fn serve(listen: SocketAddr, probe: Probe) -> std::io::Result<(SocketAddr, ServerHandle)> {
    let server = HttpServer::new(move || App::new().app_data(web::Data::new(probe.clone())).configure(routes))
        .workers(1)
        .disable_signals()
        .bind(listen)?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok((address, handle))
}

/// The same routes for the gateway, which mounts them on its own server.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

async fn live(probe: web::Data<Probe>) -> HttpResponse {
    let health = probe();
    answer(health.live, &health)
}

async fn ready(probe: web::Data<Probe>) -> HttpResponse {
    let health = probe();
    answer(health.ready, &health)
}

fn answer(good: bool, health: &Health) -> HttpResponse {
    // A probe understands two answers only: 200 and 503.
    if good { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
}

async fn metrics() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(render_metrics())
}
