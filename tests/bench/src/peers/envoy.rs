//! Envoy, as it is or with one filter in WebAssembly (`peers/envoy-filter`).

use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Program, Site, installed};
use crate::workshop;

/// Envoy, and the filter that it loads.
pub(super) fn find_with_filter() -> Result<Program> {
    let envoy = installed("envoy")?;
    Ok(Program { filter: Some(workshop::filter()?), ..envoy })
}

pub(super) fn command(site: &Site<'_>, program: &Program) -> Result<Command> {
    let tls = json!({
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
                "tls_certificates": [{
                    "certificate_chain": { "filename": site.certificate },
                    "private_key": { "filename": site.key },
                }],
            },
        },
    });
    let listener = |name: &str, address: std::net::SocketAddr, tls: Option<&Value>| {
        let mut chain = json!({ "filters": [connection_manager(program)] });
        if let Some(tls) = tls {
            chain["transport_socket"] = tls.clone();
        }
        json!({ "name": name, "address": socket(address), "filter_chains": [chain], "tcp_backlog_size": 4096 })
    };
    let configuration = json!({
        "static_resources": {
            "listeners": [listener("plain", site.plain, None), listener("secure", site.secure, Some(&tls))],
            "clusters": [{
                "name": "origin",
                "type": "STATIC",
                "lb_policy": "ROUND_ROBIN",
                "connect_timeout": "5s",
                "load_assignment": {
                    "cluster_name": "origin",
                    "endpoints": [{
                        "lb_endpoints": site.endpoints.map(|address| json!({ "endpoint": { "address": socket(address) } })),
                    }],
                },
            }],
        },
    });
    let file = site.write("envoy.json", &configuration.to_string())?;
    let mut command = Command::new(&program.path);
    command.arg("--config-path").arg(file).args([
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]);
    Ok(command)
}

fn socket(address: std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}

fn connection_manager(program: &Program) -> Value {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let wasm = program.filter.as_ref().map(|filter| {
        json!({
            "name": "envoy.filters.http.wasm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "sets-a-header",
                    "vm_config": {
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": filter } },
                    },
                },
            },
        })
    });
    let filters: Vec<Value> = wasm.into_iter().chain([router]).collect();
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            // No other peer makes an id for each request.
            "generate_request_id": false,
            "http2_protocol_options": { "max_concurrent_streams": 100 },
            "route_config": {
                "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "origin", "timeout": "0s" } }],
                }],
            },
            "http_filters": filters,
        },
    })
}
