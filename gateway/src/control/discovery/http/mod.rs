//! Endpoints from a service that answers with a list of them in JSON: asked at intervals, and told nothing where nothing has changed
//! (`ETag`, `If-None-Match`: RFC 9110, section 13.1.2).

use http::header::IF_NONE_MATCH;
use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::fetch::{self, Question};
use super::patience::{LONGEST, Patience};
use super::teller::Teller;
use crate::config::model::{Endpoint, Http};
use crate::config::{Format, read_endpoints};

/// Bytes of a list.
const MOST_BYTES: usize = 8 << 20;

/// What was heard.
enum Heard {
    /// A list, and what it is to be called when it is asked for again.
    List(Vec<Endpoint>, Option<HeaderValue>),
    /// It is as it was.
    Same,
}

/// Asks again and again, for ever.
pub(super) async fn follow(settings: &Http, teller: &mut Teller) {
    let mut tag: Option<HeaderValue> = None;
    let mut patience = Patience::new();
    loop {
        let asked = Instant::now();
        let wait = match ask(settings, tag.as_ref()).await {
            Ok(Heard::List(endpoints, called)) => {
                teller.found(endpoints);
                tag = called;
                patience = Patience::new();
                settings.interval
            }
            Ok(Heard::Same) => {
                teller.answered();
                patience = Patience::new();
                settings.interval
            }
            Err(reason) => {
                teller.failed(reason);
                // What is asked often is asked often again.
                patience.next(LONGEST.max(settings.interval)).min(settings.interval)
            }
        };
        sleep_until(asked + wait).await;
    }
}

async fn ask(settings: &Http, tag: Option<&HeaderValue>) -> Result<Heard, String> {
    let fields = tag.map(|tag| (IF_NONE_MATCH, tag.clone())).into_iter().collect();
    let question = Question { path: &settings.path, fields };
    let answer = fetch::ask(&settings.service, question, settings.timeout).await?;
    let called = answer.fields.get(http::header::ETAG).cloned();
    match answer.status {
        StatusCode::OK => {
            let text = answer.text(MOST_BYTES, settings.timeout).await?;
            let endpoints = read_endpoints(&text, Format::Json, "the list").map_err(|problems| problems.briefly())?;
            Ok(Heard::List(endpoints, called))
        }
        StatusCode::NOT_MODIFIED if tag.is_some() => Ok(Heard::Same),
        status => Err(format!("status {}", status.as_u16())),
    }
}
