//! Where members are found, from the file's shape to the model.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::Uri;

use super::key_path::KeyPath;
use super::model::{Consistency, Consul, Discover, Dns, Families, Finder, Http, Service};
use super::problem::Report;
use super::raw;
use super::resolve::existing_file;
use super::upstreams::tls as tls_of;

/// Where the DNS is asked if nothing else is said.
const DNS_PORT: u16 = 53;

/// Exactly one source must be named; a problem leaves it out.
pub(super) fn discover(
    raw: raw::Discover,
    base_dir: &Path,
    at: &KeyPath,
    report: &mut Report<'_>,
) -> Option<Arc<Discover>> {
    // A file may come later, written by whoever knows.
    let file = raw.file.map(|path| Finder::File(base_dir.join(path)));
    let dns = raw.dns.map(|raw| Finder::Dns(dns(raw, &at.key("dns"), report)));
    let http = raw.http.map(|raw| Finder::Http(http(raw, base_dir, &at.key("http"), report)));
    let consul = raw.consul.map(|raw| Finder::Consul(consul(raw, base_dir, &at.key("consul"), report)));
    let all = [("file", file), ("dns", dns), ("http", http), ("consul", consul)];
    let mut named = all.into_iter().filter_map(|(key, source)| Some((key, source?)));
    let Some((_, source)) = named.next() else {
        report.add(at, "expected who is asked: `file`, `dns`, `http` or `consul`");
        return None;
    };
    for (key, _) in named {
        report.add(&at.key(key), "one source is enough");
    }
    Some(Arc::new(Discover { source, wait: raw.wait.0 }))
}

fn dns(raw: raw::Dns, at: &KeyPath, report: &mut Report<'_>) -> Dns {
    let whole = raw.name.strip_suffix('.').unwrap_or(&raw.name);
    let is_label = |label: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(known)
    };
    if whole.len() > 253 || !whole.split('.').all(is_label) {
        report.add(&at.key("name"), format!("expected a name like \"app.internal\", found {:?}", raw.name));
    }
    let mut servers = Vec::with_capacity(raw.servers.len());
    for (index, text) in raw.servers.iter().enumerate() {
        let alone = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
        match text.parse::<SocketAddr>().or_else(|_| alone()) {
            Ok(server) => servers.push(server),
            Err(_) => {
                let message = format!("expected an IP address like \"10.0.0.2\" or \"10.0.0.2:5353\", found {text:?}");
                report.add(&at.key("servers").index(index), message);
            }
        }
    }
    if raw.least_ttl > raw.most_ttl {
        report.add(&at.key("least-ttl"), format!("more than `most-ttl`, which is {}", raw.most_ttl));
    }
    Dns {
        name: raw.name,
        port: raw.port,
        servers,
        families: match raw.families {
            raw::Families::Any => Families::Any,
            raw::Families::Ipv4 => Families::Ipv4,
            raw::Families::Ipv6 => Families::Ipv6,
        },
        least_ttl: raw.least_ttl.0,
        most_ttl: raw.most_ttl.0.max(raw.least_ttl.0),
    }
}

fn http(raw: raw::Http, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> Http {
    let asked = Asked { url: &raw.url, token_file: raw.token_file.as_deref(), tls: raw.tls };
    let (service, path) = asked.service(base_dir, at, report);
    Http { service, path, interval: raw.interval.0, timeout: raw.timeout.0 }
}

fn consul(raw: raw::Consul, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> Consul {
    let asked = Asked { url: &raw.url, token_file: raw.token_file.as_deref(), tls: raw.tls };
    let (service, path) = asked.service(base_dir, at, report);
    if path != "/" {
        report.add(&at.key("url"), format!("nothing stands behind the host here, found {path:?}"));
    }
    if raw.service.is_empty() {
        report.add(&at.key("service"), "expected the name of a service");
    }
    Consul {
        service,
        name: raw.service,
        tags: raw.tags,
        datacenter: raw.datacenter,
        consistency: match raw.consistency {
            raw::Consistency::Default => Consistency::Default,
            raw::Consistency::Stale => Consistency::Stale,
            raw::Consistency::Consistent => Consistency::Consistent,
        },
    }
}

/// What is said of a service.
struct Asked<'a> {
    url: &'a str,
    token_file: Option<&'a Path>,
    tls: Option<raw::UpstreamTls>,
}

impl Asked<'_> {
    /// The service, and path and query of its URL.
    fn service(self, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> (Service, String) {
        let url = self.url.parse::<Uri>().ok().filter(|_| !self.url.contains(['#', '@']));
        let parts = url.as_ref().and_then(|url| Some((url.scheme_str()?, url.authority()?, url.path_and_query())));
        let parts = parts.filter(|(scheme, ..)| ["http", "https"].contains(scheme));
        let Some((scheme, authority, path)) = parts else {
            // It may have a secret in it.
            report
                .add(&at.key("url"), "expected a URL like \"https://registry.internal/app\", without user or fragment");
            return (
                Service { address: String::new(), host: String::new(), tls: None, token_file: None },
                "/".to_owned(),
            );
        };
        let (is_secure, tls_at) = (scheme == "https", at.key("tls"));
        if !is_secure && self.tls.is_some() {
            report.add(&tls_at, "means nothing for a URL of `http`");
        }
        let tls = self.tls.or_else(|| is_secure.then(raw::UpstreamTls::default));
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let service = Service {
            address: format!("{}:{port}", authority.host()),
            host: authority.to_string(),
            tls: tls.map(|raw| tls_of(raw, base_dir, &tls_at, report)),
            token_file: self.token_file.map(|file| existing_file(file, base_dir, &at.key("token-file"), report)),
        };
        (service, path.map_or("/", |path| path.as_str()).to_owned())
    }
}
