//! Why a request goes where it goes, without a gateway: the configuration is built as for serving, with nothing that listens, and
//! the request goes its way through the real components up to the endpoint. One that a gateway has recorded goes it again as it
//! was then.

mod told;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use serde::Deserialize;
use tokio::sync::mpsc;

pub use told::Explained;

use crate::config::{self, Problems};
use crate::observe::recorded::Recorded;
use crate::plugin::{FileError, LoadError, StateDir, builtin};
use crate::proxy::headers::Arrival;
use crate::proxy::{self, Asked as Rehearsal, Given};
use crate::socket::{Outbox, Sockets};
use crate::state::{Builder, Entrance, Serving, State, sealing_keys};
use crate::upstream::Pool;

/// What slots report, and nobody hears.
const NOTICES: usize = 64;

/// What is to be explained.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The configuration.
    pub config: PathBuf,
    /// Where compiled plugins and keys are kept.
    pub state_dir: Option<PathBuf>,
    /// Method, if not GET, and URL: one word or two. None with `exchange`.
    pub request: Vec<String>,
    /// Fields, as `name: value`.
    pub headers: Vec<String>,
    /// The body.
    pub body: Option<String>,
    /// Who connects. Default 127.0.0.1.
    pub client: Option<IpAddr>,
    /// The status that the endpoint would answer with. Default 200.
    pub status: Option<u16>,
    /// Fields of its answer.
    pub answer_headers: Vec<String>,
    /// A file with an exchange of `GET /api/v1/exchanges`, or all of that answer.
    pub exchange: Option<PathBuf>,
}

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The configuration is not good; one line for each problem.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The state folder is not to be had.
    #[error("{0}")]
    File(#[from] FileError),
    /// The plugin host does not start.
    #[error("plugins: {0}")]
    Host(#[from] LoadError),
    /// What was asked makes no sense.
    #[error("{0}")]
    Asked(String),
}

/// An exchange as the admin API tells it; only its record is of use.
#[derive(Debug, Deserialize)]
struct Exchange {
    record: Option<Recorded>,
}

/// All of its answer.
#[derive(Debug, Deserialize)]
struct Exchanges {
    exchanges: Vec<Exchange>,
}

/// Explains a request, or each exchange of a file that was recorded whole, in the order of the file.
///
/// # Errors
/// What is wrong with the configuration, as `sluice check` says it, or with what was asked.
pub fn explain(asked: &Asked) -> Result<Vec<Explained>, ExplainError> {
    let records = asked.exchange.as_deref().map(read).transpose()?;
    let (serving, state) = build(asked)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| ExplainError::Asked(format!("no event loop: {error}")))?;
    let given = Given {
        status: asked.status.map_or(Ok(StatusCode::OK), StatusCode::from_u16).map_err(|_| wrong("status"))?,
        headers: fields(&asked.answer_headers)?,
    };
    let Some(records) = records else {
        let sent = Sent::of(asked)?;
        let entrance = sent.entrance(&serving)?;
        let arrival = sent.arrival(entrance, asked);
        let title = format!("{} {} from {}", sent.parts.method, sent.url, arrival.peer_address());
        let rehearsal = Rehearsal::Sent(Box::new(sent.parts.clone()), sent.body.clone());
        let told =
            runtime.block_on(proxy::rehearse(state, &arrival, rehearsal, &given)).map_err(ExplainError::Asked)?;
        return Ok(vec![Explained::of(title, told, None)]);
    };
    let mut explained = Vec::with_capacity(records.len());
    for record in records {
        // Which listener it came in by makes no difference any more.
        let entrance = serving.listeners.first().map(|listening| &*listening.entrance);
        let entrance = entrance.ok_or_else(|| wrong("configuration: it has no listener"))?;
        let arrival = arrival_of(&record, entrance);
        let request = &record.request;
        let title = format!(
            "{} {}://{}{} from {}",
            request.method, request.scheme, request.authority, request.target, request.client
        );
        let rehearsal = Rehearsal::Recorded(Box::new(record.clone()));
        let told = runtime.block_on(proxy::rehearse(state.clone(), &arrival, rehearsal, &given));
        explained.push(Explained::of(title, told.map_err(ExplainError::Asked)?, Some(&record)));
    }
    Ok(explained)
}

fn wrong(what: &str) -> ExplainError {
    ExplainError::Asked(format!("this is no {what}"))
}

/// The records of a file.
fn read(file: &Path) -> Result<Vec<Recorded>, ExplainError> {
    let failed = |error: String| ExplainError::Asked(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let is_all = value.get("exchanges").is_some();
    let exchanges = match is_all {
        true => serde_json::from_value::<Exchanges>(value).map(|all| all.exchanges),
        false => serde_json::from_value::<Exchange>(value).map(|one| vec![one]),
    };
    let exchanges = exchanges.map_err(|error| failed(format!("no exchange of GET /api/v1/exchanges: {error}")))?;
    let mut records: Vec<Recorded> = exchanges.into_iter().filter_map(|exchange| exchange.record).collect();
    if records.is_empty() {
        let how = "set `record = \"masked\"` in [admin], or ask with `X-Sluice-Explain: record`";
        return Err(failed(format!("no exchange in it was recorded whole; {how}")));
    }
    if is_all {
        // The newest stands first there; plugins are asked in the order of time.
        records.reverse();
    }
    Ok(records)
}

/// What would serve, without anybody coming in, and the first worker's part of it.
fn build(asked: &Asked) -> Result<(Serving, Rc<State>), ExplainError> {
    let config = config::load(&asked.config, &builtin::names())?;
    let state_dir = StateDir::open(asked.state_dir.clone())?;
    let keys = sealing_keys(&config, &state_dir)?;
    let host = state_dir.host()?;
    // It is closed: nobody makes what slots lack but they themselves.
    let (notices, _) = mpsc::channel(NOTICES);
    let builder = Builder {
        host: &host,
        notices: &notices,
        sockets: &Sockets::none(),
        inheritance: None,
        before: None,
        fresh: false,
        taken_back: &[],
    };
    let serving = builder.build(config, keys)?.serving;
    let slots = serving.slots.iter().filter_map(|slots| slots.first().cloned()).collect();
    let plan = serving.plan.clone();
    let pool = Pool::new(plan.config.timeouts.upstream_idle, Rc::<Outbox>::default());
    Ok((serving, Rc::new(State { plan, worker: 0, slots, pool, recent: None })))
}

/// A request as a client would send it.
#[derive(Debug)]
struct Sent {
    parts: Parts,
    url: Uri,
    body: Bytes,
}

impl Sent {
    fn of(asked: &Asked) -> Result<Self, ExplainError> {
        let words: Vec<&str> = asked.request.iter().flat_map(|words| words.split_whitespace()).collect();
        let (method, url) = match words[..] {
            [url] => ("GET", url),
            [method, url] => (method, url),
            _ => return Err(ExplainError::Asked("expected [METHOD] URL, or --exchange FILE".to_owned())),
        };
        let url: Uri = url.parse().map_err(|error| ExplainError::Asked(format!("{url:?} is no URL: {error}")))?;
        let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(ExplainError::Asked(format!(
                "{url:?} is no URL: it begins with http:// or https://, and has a host"
            )));
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong("method"))?;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let body = Bytes::from(asked.body.clone().unwrap_or_default());
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.uri = target.parse().map_err(|_| wrong("path"))?;
        parts.headers = fields(&asked.headers)?;
        if !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("host"))?);
        }
        if !body.is_empty() {
            parts.headers.insert(CONTENT_LENGTH, body.len().into());
        }
        Ok(Self { parts, url, body })
    }

    fn is_secure(&self) -> bool {
        self.url.scheme_str() == Some("https")
    }

    /// The listener that it would come in by: of that port if one has it, else the first of its kind.
    fn entrance<'s>(&self, serving: &'s Serving) -> Result<&'s Entrance, ExplainError> {
        let port = self.url.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 });
        let of_kind = || {
            let entrances = serving.listeners.iter().map(|listening| &*listening.entrance);
            entrances.filter(|entrance| entrance.tls.is_some() == self.is_secure())
        };
        of_kind().find(|entrance| entrance.address.port() == port).or_else(|| of_kind().next()).ok_or_else(|| {
            let kind = if self.is_secure() { "with" } else { "without" };
            ExplainError::Asked(format!("{}: the configuration has no listener {kind} TLS", self.url))
        })
    }

    fn arrival<'s>(&self, entrance: &'s Entrance, asked: &Asked) -> Arrival<'s> {
        let peer = SocketAddr::new(asked.client.unwrap_or(IpAddr::from([127, 0, 0, 1])), 0);
        Arrival { tls: self.is_secure(), ..arrival(entrance, peer) }
    }
}

fn arrival(entrance: &Entrance, peer: SocketAddr) -> Arrival<'_> {
    Arrival { peer, local: entrance.address, tls: false, server_name: None, client: &[], entrance, interims: None }
}

fn arrival_of<'s>(record: &Recorded, entrance: &'s Entrance) -> Arrival<'s> {
    arrival(entrance, SocketAddr::new(record.request.peer, 0))
}

/// Of `name: value` each.
fn fields(lines: &[String]) -> Result<HeaderMap, ExplainError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let field = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = field.ok_or_else(|| ExplainError::Asked(format!("{line:?} is no `name: value`")))?;
        headers.append(name, value);
    }
    Ok(headers)
}
