//! Scrapes: endpoints that show series are asked for them again and again, each by a task of its own, for as long as the
//! configuration wants it. What is read becomes the endpoint's report, as if it had said so in an answer.

mod figures;
mod shown;

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{ACCEPT, USER_AGENT};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::contact::{Wanted, at_port, connect, get, jittered, scheme, whole};
use crate::config::model::{ReportedLoad, Scrape};
use crate::endpoint::Endpoint;
use crate::observe::panics::survived;
use crate::state::Plan;
use crate::upstream::{Upstream, Way};
use figures::Figures;

/// Scrapes at a time, over all upstreams; others wait for their turn. Each may hold a whole page of series.
const AT_A_TIME: usize = 64;
/// Who asks, for the endpoint's own log.
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"), " (scrape)");
/// What is understood: the text form of Prometheus, and OpenMetrics.
const FORMS: &str = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5";

/// All that are asked.
#[derive(Debug)]
pub(super) struct Scrapes {
    /// By the address of the endpoint's figures in memory, which stay where they are as long as they are here.
    running: HashMap<usize, Running>,
    turns: Arc<Semaphore>,
    /// Where names are looked up.
    lookups: Handle,
}

/// One endpoint that is asked; dropped, it is not any more.
#[derive(Debug)]
struct Running {
    /// Keeps its figures where they are.
    _endpoint: Arc<Endpoint>,
    way: Arc<Way>,
    scrape: Arc<Scrape>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scrapes {
    /// Nobody yet.
    pub(super) fn new(lookups: Handle) -> Self {
        Self { running: HashMap::new(), turns: Arc::new(Semaphore::new(AT_A_TIME)), lookups }
    }

    /// Asks those that a plan wants asked, and nobody else. Who is asked in the same way already is not disturbed.
    pub(super) fn follow(&mut self, plan: &Plan) {
        let mut before = std::mem::take(&mut self.running);
        for (settings, upstream) in plan.config.upstreams.iter().zip(&plan.upstreams) {
            let Some(ReportedLoad::Scrape(scrape)) = &settings.reported_load else { continue };
            for endpoint in &upstream.set.load().endpoints {
                let key = Arc::as_ptr(endpoint.figures()) as usize;
                let is_same = |running: &Running| running.scrape == *scrape && Arc::ptr_eq(&running.way, &upstream.way);
                let same = before.remove(&key).filter(is_same);
                let running = same.unwrap_or_else(|| self.begin(upstream, endpoint, scrape));
                self.running.insert(key, running);
            }
        }
    }

    fn begin(&self, upstream: &Upstream, endpoint: &Arc<Endpoint>, scrape: &Arc<Scrape>) -> Running {
        let mut asking = Asking {
            upstream: upstream.name.clone(),
            address: at_port(&endpoint.settings.address, scrape.port),
            endpoint: endpoint.clone(),
            sessions: upstream.way.tls().map(|tls| tls.sessions()),
            way: upstream.way.clone(),
            figures: Figures::of(scrape),
            scrape: scrape.clone(),
            lookups: self.lookups.clone(),
            fails: false,
        };
        let turns = self.turns.clone();
        let keep_on = async move { while survived("scrape", asking.keep_on(&turns)).await.is_none() {} };
        let task = tokio::spawn(keep_on).abort_handle();
        Running { _endpoint: endpoint.clone(), way: upstream.way.clone(), scrape: scrape.clone(), task }
    }
}

/// One endpoint while it is asked.
struct Asking {
    /// The name of its upstream.
    upstream: Arc<str>,
    endpoint: Arc<Endpoint>,
    address: String,
    way: Arc<Way>,
    /// Of TLS, where that is over TLS.
    sessions: Option<Arc<ClientConfig>>,
    scrape: Arc<Scrape>,
    /// What is read, and what was read before.
    figures: Figures,
    lookups: Handle,
    /// The last one failed, and that was said.
    fails: bool,
}

impl Asking {
    /// Asks at once, and again and again.
    async fn keep_on(&mut self, turns: &Semaphore) {
        loop {
            let began = Instant::now();
            let shown = {
                // It is never closed.
                let _turn = turns.acquire().await;
                let limit = self.scrape.timeout;
                let shown = timeout(limit, self.ask()).await;
                shown.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
            };
            self.take(shown);
            let pause = jittered(self.scrape.interval, self.scrape.jitter_per_mille, fastrand::f64());
            sleep_until(began + pause).await;
        }
    }

    async fn ask(&self) -> Result<Vec<u8>, String> {
        let Self { address, way, scrape, .. } = self;
        let connected = connect(address, way, self.sessions.as_ref(), &self.lookups).await;
        let connected = connected.map_err(|error| format!("no connection: {error}"))?;
        let host = scrape.host.as_deref().unwrap_or(address);
        let wanted = Wanted { scheme: scheme(way), host, path: &scrape.path };
        let fields = |request: http::request::Builder| request.header(USER_AGENT, AGENT).header(ACCEPT, FORMS);
        let take = async |response: Response<Incoming>| match response.status() {
            StatusCode::OK => whole(response.into_body(), scrape.size).await,
            status => Err(format!("status {}", status.as_u16())),
        };
        get(connected, wanted, fields, take).await
    }

    /// What it shows becomes its report.
    fn take(&mut self, shown: Result<Vec<u8>, String>) {
        let Self { endpoint, upstream, .. } = self;
        let now = std::time::Instant::now();
        let read = shown.map(|shown| self.figures.read(&shown, now));
        let reason = match read {
            Ok(Ok(report)) => {
                endpoint.reports(report, now, self.scrape.expire);
                None
            }
            Ok(Err(reason)) => {
                endpoint.report_refused();
                Some(reason.to_string())
            }
            Err(reason) => {
                endpoint.report_failed();
                Some(reason)
            }
        };
        let id = &endpoint.settings.id;
        match &reason {
            Some(reason) if !self.fails => {
                tracing::warn!(target: "sluice", %upstream, endpoint = %id, %reason, "load unknown");
            }
            None if self.fails => tracing::info!(target: "sluice", %upstream, endpoint = %id, "load known"),
            _ => {}
        }
        self.fails = reason.is_some();
    }
}
