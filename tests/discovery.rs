//! Endpoints that the configuration does not name: they come and go while traffic flows, what is bad changes nothing, and nobody
//! loses a request.

mod consul;
mod dns;
mod file;
mod http;

use std::fmt::Write;

use serde_json::Value;

use crate::harness::{Configuration, Gateway, Origin, eventually};

/// Found as that table says, with figures for operators.
fn found(discover: &str) -> Configuration {
    Configuration::discovering(discover).tables("[admin]\naddress = \"127.0.0.1:0\"")
}

/// A list of these origins, in TOML.
fn list(origins: &[&Origin]) -> String {
    let mut text = "endpoints = [\n".to_owned();
    for origin in origins {
        writeln!(text, "  {{ id = \"{}\", address = \"{}\" }},", origin.name, origin.address).unwrap();
    }
    text + "]\n"
}

impl Gateway {
    /// The first upstream as the API tells it.
    async fn upstream(&self) -> Value {
        let (_, body) = self.ask_admin("GET /api/v1/upstreams HTTP/1.1\r\nhost: localhost").await;
        serde_json::from_str::<Value>(&body).unwrap()["upstreams"][0].clone()
    }

    /// Waits until exactly these are its endpoints, and gives the upstream.
    async fn has_endpoints(&self, ids: &[&str]) -> Value {
        eventually(&format!("endpoints {ids:?}"), async || {
            let upstream = self.upstream().await;
            let found = upstream["endpoints"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap());
            found.eq(ids.iter().copied()).then_some(upstream)
        })
        .await
    }
}
