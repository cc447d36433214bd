//! A TCP proxy between a process and its server, to break the network between the two while everybody else keeps theirs.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::TestkitError;
use crate::lost::{Losses, LostAnswers, Moment};
use crate::postgres_wire::Frames;

/// How long the server may take to answer what it gets after the client has gone.
const ANSWER: Duration = Duration::from_secs(10);
/// How late a message may come that a client has sent whose connection is gone.
const LATE: Duration = Duration::from_millis(150);

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Its work.
    Pass,
    /// It resets each connection.
    Refuse,
    /// It takes connections and what is sent, and passes nothing on. What was held back goes on its way afterwards.
    Silent,
    /// It takes its time with each message.
    Slow(Duration),
}

/// Listens on a loopback port of its own.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    link: watch::Sender<Link>,
    cuts: watch::Sender<u64>,
    losses: Arc<Losses>,
    accepting: JoinHandle<()>,
}

#[derive(Clone)]
struct Control {
    server: u16,
    link: watch::Receiver<Link>,
    cuts: watch::Receiver<u64>,
    losses: Arc<Losses>,
}

impl Proxy {
    /// In front of a loopback port.
    pub async fn to(server: u16) -> Result<Self, TestkitError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let ((link, linked), (cuts, cut)) = (watch::channel(Link::Pass), watch::channel(0));
        let losses = Arc::new(Losses::default());
        let control = Control { server, link: linked, cuts: cut, losses: losses.clone() };
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut control = control.clone();
                control.cuts.mark_unchanged();
                tokio::spawn(carry(client, control));
            }
        });
        Ok(Self { port, link, cuts, losses, accepting })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets the network do something else from now on.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
        if link == Link::Refuse {
            self.cut();
        }
    }

    /// Resets the connections that there are.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Loses answers of a PostgreSQL server to commits from now on; `None`: no longer.
    pub fn lose_answers(&self, which: Option<LostAnswers>) {
        self.losses.set(which);
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u32 {
        self.losses.count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// How a connection ends.
enum End {
    /// One side has closed it.
    Closed,
    /// The network breaks it.
    Cut,
    /// This has come from the client, and its answer is to be lost.
    Lost(Vec<u8>, Moment),
}

async fn carry(mut client: TcpStream, mut control: Control) {
    let opened = tokio::select! {
        opened = open(&mut control.link, control.server) => opened,
        Ok(()) = control.cuts.changed() => None,
    };
    let Some(mut server) = opened else { return reset(&client) };
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::select! {
            end = request(from_client, to_server, control.link.clone(), control.losses.clone()) => end,
            () = answer(from_server, to_client, control.link.clone()) => End::Closed,
            Ok(()) = control.cuts.changed() => End::Cut,
        }
    };
    match end {
        End::Closed => {}
        End::Cut => {
            reset(&client);
            reset(&server);
        }
        End::Lost(message, moment) => lose(client, server, &message, moment).await,
    }
}

/// None: the network resets the connection.
async fn open(link: &mut watch::Receiver<Link>, server: u16) -> Option<TcpStream> {
    let heard = *link.wait_for(|link| *link != Link::Silent).await.ok()?;
    match heard {
        Link::Refuse => None,
        _ => TcpStream::connect(("127.0.0.1", server)).await.ok(),
    }
}

/// So that the other side gets a reset, not an end.
fn reset(stream: &TcpStream) {
    // A connection that is gone already needs none.
    let _gone = stream.set_zero_linger();
}

async fn passes(link: &mut watch::Receiver<Link>, came: bool) {
    // When the proxy itself is gone, so is the connection, a moment later.
    let Ok(heard) = link.wait_for(|link| *link != Link::Silent).await.map(|link| *link) else { return };
    if let (Link::Slow(time), true) = (heard, came) {
        tokio::time::sleep(time).await;
    }
}

async fn request(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut link: watch::Receiver<Link>,
    losses: Arc<Losses>,
) -> End {
    let (mut buffer, mut frames) = (vec![0; 64 * 1024], Frames::default());
    loop {
        passes(&mut link, false).await;
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return End::Closed };
        passes(&mut link, true).await;
        let Some(message) = buffer.get(..count) else { return End::Closed };
        if let Some(moment) = losses.judge(&mut frames, message) {
            return End::Lost(message.to_vec(), moment);
        }
        if to.write_all(message).await.is_err() {
            return End::Closed;
        }
    }
}

async fn answer(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        passes(&mut link, true).await;
        let Some(message) = buffer.get(..count) else { return };
        if to.write_all(message).await.is_err() {
            return;
        }
    }
}

/// The server gets the message and does what it says; the client learns nothing.
async fn lose(client: TcpStream, mut server: TcpStream, message: &[u8], moment: Moment) {
    let mut client = Some(client);
    let leave = |client: &mut Option<TcpStream>| {
        if let Some(client) = client.take() {
            reset(&client);
        }
    };
    if moment != Moment::Done {
        leave(&mut client);
    }
    if moment == Moment::Late {
        tokio::time::sleep(LATE).await;
    }
    if server.write_all(message).await.is_ok() {
        let mut answer = [0; 1024];
        // Whatever it says, or that it says nothing, nobody hears.
        let _unheard = tokio::time::timeout(ANSWER, server.read(&mut answer)).await;
    }
    leave(&mut client);
}
