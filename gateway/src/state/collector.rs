//! The collector of traces: what decides which exchanges it is told of, and what it takes to reach it. Made from the configuration
//! and replaced whole; what was told by the one before is still sent to where that one said.

use std::path::Path;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::model::{self, Config, UpstreamProtocol, UpstreamTls};
use crate::config::{KeyPath, Problem};
use crate::observe::trace::Tracer;
use crate::tls::{TlsError, ToEndpoints};

/// Bytes of a file that holds the value of a field.
const LONGEST: usize = 16 * 1024;

/// Where traces go.
#[derive(Debug)]
pub struct Collector {
    /// As configured.
    pub settings: model::Traces,
    /// Decides, and takes what is told.
    pub tracer: Arc<Tracer>,
    /// None: plain TCP.
    pub tls: Option<Arc<ToEndpoints>>,
    /// Fields of each request to it. Never printed: some are secrets.
    pub headers: HeaderMap,
}

impl Collector {
    /// Reads the files of `[traces]`; none where there is none. `before` comes back where nothing has changed.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn build(config: &Config, before: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>, Vec<Problem>> {
        let Some(settings) = &config.traces else { return Ok(None) };
        let at = KeyPath::root().key("traces");
        let mut problems = Vec::new();
        let headers = headers(settings).unwrap_or_else(|found| {
            let problem =
                |(name, error): (String, String)| config.places.problem(&at.key("header-files").key(&name), error);
            problems.extend(found.into_iter().map(problem));
            HeaderMap::new()
        });
        let tls = settings.secure.then(|| {
            let believed = UpstreamTls { server_name: None, ca: settings.ca.clone(), own: None };
            let before = before.and_then(|before| before.tls.as_ref());
            ToEndpoints::load_for([&*settings.address].into_iter(), UpstreamProtocol::Http1, &believed, before)
        });
        let tls = tls.transpose().unwrap_or_else(|error| {
            let key = if matches!(error, TlsError::ServerName(_)) { "endpoint" } else { "ca" };
            problems.push(config.places.problem(&at.key(key), error.to_string()));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let is_as = |before: &&Arc<Self>| {
            let same_tls = before.tls.as_ref().map(Arc::as_ptr) == tls.as_ref().map(Arc::as_ptr);
            same_tls && before.headers == headers && before.settings == *settings
        };
        if let Some(same) = before.filter(is_as) {
            return Ok(Some(same.clone()));
        }
        let counts = before.map(|before| before.tracer.counts.clone()).unwrap_or_default();
        let tracer = Tracer::new(settings.sample_per_mille, settings.queue, counts);
        Ok(Some(Arc::new(Self { settings: settings.clone(), tracer, tls, headers })))
    }
}

/// Those of the configuration, and those of files; or which file is no good, by the name of its field.
fn headers(settings: &model::Traces) -> Result<HeaderMap, Vec<(String, String)>> {
    let mut headers = HeaderMap::new();
    let mut wrong = Vec::new();
    let read = settings.header_files.iter().map(|(name, file)| (name, value(file)));
    let given = settings.headers.iter().map(|(name, value)| {
        (name, HeaderValue::from_str(value).map_err(|_| "no header field has this value".to_owned()))
    });
    for (name, value) in given.chain(read) {
        match (HeaderName::from_bytes(name.as_bytes()), value) {
            (Ok(field), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(field, value);
            }
            (Err(_), _) => wrong.push((name.clone(), "not the name of a header field".to_owned())),
            (_, Err(error)) => wrong.push((name.clone(), error)),
        }
    }
    if wrong.is_empty() { Ok(headers) } else { Err(wrong) }
}

/// The content of a file; white space at its end does not belong to it.
fn value(file: &Path) -> Result<HeaderValue, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let text = text.trim_end();
    match HeaderValue::from_str(text) {
        Ok(value) if (1..=LONGEST).contains(&text.len()) => Ok(value),
        _ => Err(format!("{} has no value of a header field: one line of visible characters", file.display())),
    }
}
