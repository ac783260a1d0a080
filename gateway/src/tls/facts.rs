//! What a client's certificate says, as values of header fields. An authority has signed all of it, and still none of it
//! may become more than a value: no line break, no byte outside of visible ASCII, no separator inside of an element.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};

use crate::config::model::ClientFact;

/// A field for each fact that there is: an empty subject, or no name at all, is no fact.
pub(super) fn fields(
    certificate: &CertificateDer<'_>,
    headers: &[(HeaderName, ClientFact)],
) -> Vec<(HeaderName, HeaderValue)> {
    let parsed = Certificate::from_der(certificate).ok();
    let field = |(name, fact): &(HeaderName, ClientFact)| {
        let text = match fact {
            ClientFact::Subject => subject(parsed.as_ref()?),
            ClientFact::Names => names(parsed.as_ref()?).join(", "),
            ClientFact::Sha256 => hex(digest(&SHA256, certificate).as_ref()),
            // A byte sequence of RFC 8941.
            ClientFact::Certificate => format!(":{}:", STANDARD.encode(certificate)),
        };
        let value = HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())?;
        Some((name.clone(), value))
    };
    headers.iter().filter_map(field).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As RFC 4514 writes it. What is not ASCII is escaped byte by byte, as §2.4 allows.
fn subject(certificate: &Certificate) -> String {
    let written = certificate.tbs_certificate().subject().to_string();
    if written.is_ascii() {
        return written;
    }
    written.bytes().fold(String::with_capacity(2 * written.len()), |mut text, byte| {
        match byte.is_ascii() {
            true => text.push(char::from(byte)),
            // As above.
            false => drop(write!(text, "\\{byte:02x}")),
        }
        text
    })
}

/// DNS names, URIs and mail addresses. Each kind is left out where it does not look like itself, so that whoever splits the
/// list gets names that were in the certificate, and none can pass for one of another kind: a URI has a colon, a mail
/// address an `@` and no colon, a DNS name neither.
fn names(certificate: &Certificate) -> Vec<String> {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    let name = |name: GeneralName| {
        let (text, fits) = match &name {
            GeneralName::DnsName(name) => (name.as_str(), is_host(name.as_str())),
            GeneralName::UniformResourceIdentifier(uri) => (uri.as_str(), uri.as_str().contains(':')),
            GeneralName::Rfc822Name(mail) => {
                (mail.as_str(), mail.as_str().contains('@') && !mail.as_str().contains(':'))
            }
            _ => return None,
        };
        (fits && is_word(text)).then(|| text.to_owned())
    };
    alternatives(certificate).into_iter().filter_map(name).collect()
}

/// The DNS names only.
pub(super) fn dns_names(certificate: &Certificate) -> Vec<String> {
    let dns = |name: GeneralName| match name {
        GeneralName::DnsName(name) if is_host(name.as_str()) => Some(name.as_str().to_owned()),
        _ => None,
    };
    alternatives(certificate).into_iter().filter_map(dns).collect()
}

fn is_host(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*'))
}

fn alternatives(certificate: &Certificate) -> GeneralNames {
    match certificate.tbs_certificate().get_extension::<SubjectAltName>() {
        Ok(Some((_, names))) => names.0,
        _ => GeneralNames::new(),
    }
}
