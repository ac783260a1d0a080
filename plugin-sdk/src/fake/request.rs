//! A request as a test makes it.

use super::fields::{Change, Fields};
use super::head::Head;
use std::net::{IpAddr, Ipv4Addr};

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) fields: Fields,
    pub(super) client_ip: IpAddr,
    pub(super) tls_server_name: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A `GET` over HTTPS from 192.0.2.1 for that path, which may have a query. The path is taken as its normal form.
    pub fn get(path_and_query: &str) -> Self {
        let mut request = Self {
            method: "GET".into(),
            scheme: "https".into(),
            authority: "app.test".into(),
            path: String::new(),
            query: None,
            fields: Fields::default(),
            client_ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            tls_server_name: Some("app.test".into()),
            body: Vec::new(),
        };
        request.set_path_and_query(path_and_query);
        request
    }

    /// The same with another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    /// The same with one more field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.append(name, value);
        self
    }

    /// The same with one more cookie.
    #[must_use]
    pub fn cookie(self, name: &str, value: &str) -> Self {
        self.header("cookie", &format!("{name}={value}"))
    }

    /// The same from that client.
    #[must_use]
    pub fn client_ip(mut self, address: impl Into<IpAddr>) -> Self {
        self.client_ip = address.into();
        self
    }

    /// The same for that host.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.authority = authority.to_ascii_lowercase();
        self
    }

    /// The same with that body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Path and query, as edited by now.
    pub fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// All fields of that name, as edited by now.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.fields.all(name)
    }

    pub(super) fn find_cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.fields.all("cookie").into_iter().flat_map(|field| field.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn find_query_param(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref()?.split('&');
        let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(known, _)| percent_decoded(known) == name).map(|(_, value)| percent_decoded(value))
    }

    /// Makes the edits of a routing hook; those of a reply end in the reply's head and body.
    pub(super) fn make(&mut self, changes: Vec<Change>, reply: &mut (Head, Vec<u8>)) {
        for change in changes {
            match change {
                Change::Set(name, value) => self.fields.set(&name, &value),
                Change::Append(name, value) => self.fields.append(&name, &value),
                Change::Remove(name) => self.fields.remove(&name),
                Change::PathAndQuery(value) => self.set_path_and_query(&value),
                Change::ReplyHeader(name, value) => reply.0.fields.set(&name, &value),
                Change::ReplyBody(body) => reply.1 = body,
                Change::Status(_) => unreachable!("a request has no status"),
            }
        }
    }

    fn set_path_and_query(&mut self, value: &str) {
        let (path, query) = value.split_once('?').map_or((value, None), |(path, query)| (path, Some(query)));
        self.path = path.into();
        self.query = query.map(str::to_owned);
    }
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            (&other, _) => decoded.push(other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
