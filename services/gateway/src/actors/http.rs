//! The HTTP server as a supervised child.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::{App, HttpServer, middleware, web};
use orrery_supervise::TaskSpec;

use crate::http::admission::admit;
use crate::http::{Gateway, table};

/// Time for a client to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Time for accepted requests to finish when the process goes down, in seconds.
const DRAIN_S: u64 = 10;
/// Time for the last bytes to leave the process.
const FLUSH: Duration = Duration::from_millis(200);
const WORKERS_MAX: usize = 8;

/// Serves until drained. A server that ends by itself is started afresh.
pub fn http(listen: SocketAddr, gateway: web::Data<Gateway>) -> TaskSpec {
    TaskSpec::new("http", move |task| {
        let gateway = gateway.clone();
        async move {
            let connections_max = gateway.config.connections_max;
            let workers = std::thread::available_parallelism().map_or(2, usize::from).min(WORKERS_MAX);
            let served = gateway.clone();
            let app = move || {
                App::new()
                    .app_data(served.clone())
                    .wrap(middleware::from_fn(admit))
                    .configure(table::register)
                    .default_service(web::to(table::not_found))
            };
            let server = HttpServer::new(app)
                .workers(workers)
                .max_connections(connections_max.div_ceil(workers))
                .client_request_timeout(HEAD_TIMEOUT)
                .keep_alive(KEEP_ALIVE)
                // Chunks of a stream would wait for the acknowledgement of the ones before.
                .tcp_nodelay(true)
                // A client that closes its side has left: its handler is dropped, and with it the work upstream.
                .h1_allow_half_closed(false)
                .shutdown_timeout(DRAIN_S)
                .disable_signals()
                .bind(listen)?;
            tracing::info!(http.addresses = ?server.addrs(), "listening");
            let server = server.run();
            let handle = server.handle();
            task.ready();
            tokio::pin!(server);
            tokio::select! {
                ended = &mut server => {
                    ended?;
                    Err(std::io::Error::other("the HTTP server has ended"))
                }
                () = task.draining() => {
                    // Event streams would never end by themselves.
                    gateway.closing.cancel();
                    let quiet = async {
                        gateway.in_flight.none().await;
                        tokio::time::sleep(FLUSH).await;
                    };
                    tokio::select! {
                        () = handle.stop(true) => {}
                        () = quiet => {}
                    }
                    Ok::<(), std::io::Error>(())
                }
            }
        }
    })
    .wait_ready()
    .drain_deadline(Duration::from_secs(DRAIN_S + 2))
}
