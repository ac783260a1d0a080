//! `sluice demo`: sample backends, a certificate, a configuration and two policies in a folder, so that everything can be
//! seen working before anything is set up. The gateway itself is the real one, started with that configuration.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::message::Body;
use crate::plugin::builtin;
use crate::tls;

/// What the sample backends are called.
const BACKENDS: [&str; 3] = ["alpha", "beta", "gamma"];
/// Where the demo would like to listen, for clients and for operators; the next free ports are taken.
const PORT: u16 = 8443;
const ADMIN_PORT: u16 = 9901;
/// Ports that are tried.
const PORTS: u16 = 100;

/// What was prepared.
#[derive(Debug)]
pub struct Demo {
    /// The configuration to run.
    pub config: PathBuf,
    /// Compiled plugins and keys.
    pub state_dir: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    admin: SocketAddr,
}

/// Writes the demo's files into `folder` and starts its backends, which end with the process.
pub fn prepare(folder: &Path) -> io::Result<Demo> {
    fs::create_dir_all(folder)?;
    let (certificate, key) = tls::self_signed(&["localhost", "127.0.0.1", "::1"]).map_err(io::Error::other)?;
    fs::write(folder.join("certificate.pem"), certificate)?;
    fs::write(folder.join("key.pem"), key)?;
    write_policy(folder, "policy.wasm", "least-connections")?;
    write_policy(folder, "policy-v2.wasm", "consistent-hash")?;
    let backends = start_backends()?;
    let (address, admin) = (free_address(PORT)?, free_address(ADMIN_PORT)?);
    let config = folder.join("sluice.toml");
    fs::write(&config, configuration(address, admin, &backends))?;
    Ok(Demo { config, state_dir: folder.join("state"), folder: folder.to_owned(), address, admin })
}

impl Demo {
    /// What to try, as lines to copy.
    pub fn guide(&self) -> String {
        let folder = self.folder.display();
        let (port, admin) = (self.address.port(), self.admin.port());
        format!(
            "\
Sluice serves https://localhost:{port} from three sample backends. See it at work: http://localhost:{admin}/
Try, in another terminal:

  balance      for i in 1 2 3 4 5 6; do curl -sk https://localhost:{port}/; done
  stickiness   for i in 1 2 3 4 5 6; do curl -sk -b {folder}/cookies -c {folder}/cookies https://localhost:{port}/; done
  swap         cp {folder}/policy-v2.wasm {folder}/policy.wasm
               and balance again: the policy is now a hash of your address, and no request was lost
  back         put another policy over {folder}/policy.wasm, or start the demo again

The configuration is {folder}/sluice.toml. Ctrl-C ends the demo."
        )
    }
}

fn write_policy(folder: &Path, file: &str, plugin: &str) -> io::Result<()> {
    let bytes = builtin::bytes(plugin).ok_or_else(|| io::Error::other(format!("no built-in plugin {plugin}")))?;
    fs::write(folder.join(file), bytes)
}

fn configuration(address: SocketAddr, admin: SocketAddr, backends: &[(&str, SocketAddr)]) -> String {
    let mut endpoints = String::new();
    for (name, address) in backends {
        // Writing to a text cannot fail.
        let _ = writeln!(endpoints, "  {{ id = \"{name}\", address = \"{address}\" }},");
    }
    format!(
        "\
# Written by `sluice demo`.
[[listener]]
address = \"{address}\"
tls.certificates = [{{ certificate = \"certificate.pem\", key = \"key.pem\" }}]

[admin]                          # the dashboard
address = \"{admin}\"

[[plugin]]                       # a plugin of your own: save another file over this one
name = \"policy\"
path = \"policy.wasm\"

[[route]]
name = \"demo\"
upstream = \"samples\"
response = [{{ plugin = \"headers\", config = {{ preset = \"secure\" }} }}]

[[upstream]]
name = \"samples\"
selection = [\"sticky-session\", \"policy\"]
endpoints = [
{endpoints}]
"
    )
}

/// The port that another gateway of this user holds must not be shared with it, hence no `SO_REUSEPORT` here.
fn free_address(from: u16) -> io::Result<SocketAddr> {
    let mut last = None;
    for port in from..from + PORTS {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no port to try")))
}

fn start_backends() -> io::Result<Vec<(&'static str, SocketAddr)>> {
    let mut backends = Vec::new();
    let mut sockets = Vec::new();
    for name in BACKENDS {
        let socket = TcpListener::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        backends.push((name, socket.local_addr()?));
        sockets.push((name, socket));
    }
    std::thread::Builder::new().name("sluice-samples".into()).spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        if let Ok(runtime) = builder.enable_all().build_local(Default::default()) {
            runtime.block_on(async move {
                for (name, socket) in sockets {
                    tokio::task::spawn_local(backend(name, socket));
                }
                std::future::pending::<()>().await;
            });
        }
    })?;
    Ok(backends)
}

async fn backend(name: &'static str, socket: TcpListener) {
    let Ok(socket) = tokio::net::TcpListener::from_std(socket) else { return };
    // A failed accept is a client that went away.
    loop {
        let Ok((stream, _)) = socket.accept().await else { continue };
        let answer = move |request: Request<Incoming>| async move {
            let text = format!("Hello from {name}: {} {}\n", request.method(), request.uri());
            Ok::<_, Infallible>(Response::new(Body::full(text.into())))
        };
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::task::spawn_local(async move { drop(connection.await) });
    }
}
