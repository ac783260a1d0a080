//! Endpoints from Consul: the instances of a service with their health, asked by blocking queries, so that a change is known at once.
//! By the vendor's documents: developer.hashicorp.com/consul/api-docs/health (list service instances), and on blocking queries
//! and consistency api-docs/features/blocking and api-docs/features/consistency.

mod instances;

use std::time::Duration;

use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, sleep_until};

use super::fetch::{self, Question};
use super::patience::{LONGEST, Patience};
use super::teller::Teller;
use crate::config::model::{Consistency, Consul, Endpoint};

/// Bytes of an answer; each instance comes with all of its checks.
const MOST_BYTES: usize = 32 << 20;
/// How long Consul may hold an answer back while nothing changes. It takes up to a sixteenth more.
const HELD: Duration = Duration::from_secs(60);
/// For an answer, beyond what it is held back; and for its body.
const ANSWER: Duration = Duration::from_secs(10);
/// Between two questions, whatever is answered.
const PAUSE: Duration = Duration::from_millis(100);
/// The same where the answer says of no index to wait for.
const INTERVAL: Duration = Duration::from_secs(10);
/// What stands in a path or query as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks again and again, for ever.
pub(super) async fn follow(settings: &Consul, teller: &mut Teller) {
    let mut index = 0;
    let mut patience = Patience::new();
    loop {
        let asked = Instant::now();
        let wait = match ask(settings, index).await {
            Ok((endpoints, known)) => {
                teller.found(endpoints);
                patience = Patience::new();
                // One that went backwards was reset: what it counts is something else now.
                index = known.filter(|known| *known >= index).unwrap_or(0);
                if known.is_some() { PAUSE } else { INTERVAL }
            }
            Err(reason) => {
                teller.failed(reason);
                index = 0;
                patience.next(LONGEST)
            }
        };
        sleep_until(asked + wait).await;
    }
}

/// What Consul says, and the index to wait on from there.
async fn ask(settings: &Consul, index: u64) -> Result<(Vec<Endpoint>, Option<u64>), String> {
    let limit = if index > 0 { HELD + HELD / 16 + ANSWER } else { ANSWER };
    let path = path(settings, index);
    let answer = fetch::ask(&settings.service, Question { path: &path, fields: Vec::new() }, limit).await?;
    let known = answer.field("x-consul-index").parse::<u64>().ok().filter(|known| *known > 0);
    match answer.status {
        StatusCode::OK => {
            let text = answer.text(MOST_BYTES, ANSWER).await?;
            Ok((instances::read(&text)?, known))
        }
        status => {
            // It says why, in a line.
            let said = answer.text(1 << 20, ANSWER).await.unwrap_or_default();
            let said: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
            Err(format!("status {}: {said}", status.as_u16()).trim_end_matches([':', ' ']).to_owned())
        }
    }
}

fn path(settings: &Consul, index: u64) -> String {
    let plain = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let mut path = format!("/v1/health/service/{}?", plain(&settings.name));
    if index > 0 {
        path += &format!("index={index}&wait={}s&", HELD.as_secs());
    }
    if let Some(datacenter) = &settings.datacenter {
        path += &format!("dc={}&", plain(datacenter));
    }
    for tag in &settings.tags {
        path += &format!("tag={}&", plain(tag));
    }
    path += match settings.consistency {
        Consistency::Default => "",
        Consistency::Stale => "stale&",
        Consistency::Consistent => "consistent&",
    };
    path.pop();
    path
}
