//! Listeners and their TLS, from the file's shape to the model.

use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::key_path::KeyPath;
use super::matcher::is_token;
use super::model::{CertificateFiles, ClientCertificates, ClientFact, Listener, Tls, UnderscoreHeaders};
use super::problem::Report;
use super::raw;
use super::resolve::existing_file;

pub(super) fn listeners(raw: Vec<raw::Listener>, base_dir: &Path, report: &mut Report<'_>) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::with_capacity(raw.len());
    let list = KeyPath::root().key("listener");
    for (index, listener) in raw.into_iter().enumerate() {
        let at = list.index(index);
        let address = listener.address.0;
        let is_same = |(other, listener): (usize, &Listener)| {
            listener.address == address && report.is_sound(&list.index(other).key("address"))
        };
        if address.port() != 0 && listeners.iter().enumerate().any(is_same) {
            report.add(&at.key("address"), format!("another listener has the address {address}"));
        }
        let balancers = listener.proxy_protocol_from.map(|from| from.into_iter().map(|network| network.0).collect());
        if balancers.is_some() && !listener.proxy_protocol {
            report.add(&at.key("proxy-protocol-from"), "means nothing without `proxy-protocol = true`");
        }
        let tls = listener.tls.map(|raw| tls(raw, base_dir, &at.key("tls"), report));
        let speaks =
            |protocol, by_default| listener.protocols.as_ref().map_or(by_default, |spoken| spoken.contains(&protocol));
        listeners.push(Listener {
            address,
            http1: speaks(raw::ClientProtocol::Http1, true),
            h2: speaks(raw::ClientProtocol::H2, tls.is_some()),
            tls,
            trusted_proxies: listener.trusted_proxies.into_iter().map(|network| network.0).collect(),
            underscore_headers: underscore_headers(listener.underscore_headers),
            proxy_protocol: listener.proxy_protocol.then(|| balancers.unwrap_or_else(everybody)),
            redirect_to_https: listener.redirect_to_https.map(|to| to.port),
        });
    }
    listeners
}

fn everybody() -> Vec<IpNet> {
    vec![Ipv4Net::default().into(), Ipv6Net::default().into()]
}

fn tls(raw: raw::Tls, base_dir: &Path, at: &KeyPath, report: &mut Report<'_>) -> Tls {
    let mut certificates = Vec::with_capacity(raw.certificates.len());
    for (index, files) in raw.certificates.iter().enumerate() {
        let at = at.key("certificates").index(index);
        certificates.push(CertificateFiles {
            certificate: existing_file(&files.certificate, base_dir, &at.key("certificate"), report),
            key: existing_file(&files.key, base_dir, &at.key("key"), report),
        });
    }
    let headers = client_headers(&raw, &at.key("client-headers"), report);
    let clients = match &raw.client_ca {
        Some(ca) => Some(ClientCertificates {
            ca: existing_file(ca, base_dir, &at.key("client-ca"), report),
            required: raw.client_certificate == raw::ClientCertificate::Required,
            headers,
        }),
        None => {
            if raw.client_certificate == raw::ClientCertificate::Optional {
                report.add(&at.key("client-certificate"), "means nothing without `client-ca`");
            }
            if !headers.is_empty() {
                report.add(&at.key("client-headers"), "means nothing without `client-ca`");
            }
            None
        }
    };
    Tls { certificates, clients }
}

fn client_headers(raw: &raw::Tls, at: &KeyPath, report: &mut Report<'_>) -> Vec<(String, ClientFact)> {
    let mut headers: Vec<(String, ClientFact)> = Vec::with_capacity(raw.client_headers.len());
    for (name, fact) in &raw.client_headers {
        let here = at.key(name);
        let name = name.to_ascii_lowercase();
        if !is_token(&name) {
            report.add(&here, format!("{name:?} is not the name of a header field"));
        } else if headers.iter().any(|(other, _)| *other == name) {
            report.add(&here, format!("{name:?} stands twice; upper and lower case are the same"));
        } else {
            headers.push((name, client_fact(*fact)));
        }
    }
    headers
}

fn underscore_headers(raw: raw::UnderscoreHeaders) -> UnderscoreHeaders {
    match raw {
        raw::UnderscoreHeaders::Drop => UnderscoreHeaders::Drop,
        raw::UnderscoreHeaders::Refuse => UnderscoreHeaders::Refuse,
        raw::UnderscoreHeaders::Keep => UnderscoreHeaders::Keep,
    }
}

fn client_fact(raw: raw::ClientFact) -> ClientFact {
    match raw {
        raw::ClientFact::Subject => ClientFact::Subject,
        raw::ClientFact::Names => ClientFact::Names,
        raw::ClientFact::Sha256 => ClientFact::Sha256,
        raw::ClientFact::Certificate => ClientFact::Certificate,
    }
}
