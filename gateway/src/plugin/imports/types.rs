//! `sluice:plugin/types`: the request and the response head in hand.

use std::net::IpAddr;

use http::HeaderMap;
use wasmtime::Result;
use wasmtime::component::Resource;

use crate::message::{cookies, query};
use crate::plugin::bindings::sluice::plugin::types::{
    BodyPrefix, EditError, Host, HostRequest, HostResponseHead, KeySource,
};
use crate::plugin::context::{Context, Phase, Request, Response};
use crate::plugin::edits::{Edits, text};
use crate::plugin::key;

impl Host for Context {}

impl HostRequest for Context {
    fn method(&mut self, _: Resource<Request>) -> Result<String> {
        Ok(self.request()?.method.as_str().to_owned())
    }

    fn scheme(&mut self, _: Resource<Request>) -> Result<String> {
        Ok(self.request()?.scheme.as_str().to_owned())
    }

    fn authority(&mut self, _: Resource<Request>) -> Result<String> {
        Ok(self.request()?.authority.as_str().to_owned())
    }

    fn path(&mut self, _: Resource<Request>) -> Result<String> {
        Ok(text(self.request()?.target.path().as_bytes()))
    }

    fn query(&mut self, _: Resource<Request>) -> Result<Option<String>> {
        let head = self.request()?;
        Ok(head.target.query().map(|query| text(query.as_bytes())))
    }

    fn query_param(&mut self, _: Resource<Request>, name: String) -> Result<Option<String>> {
        let query = self.request()?.target.query().unwrap_or_default();
        Ok(query::parameter(query, &name).map(|value| value.into_owned()))
    }

    fn header(&mut self, _: Resource<Request>, name: String) -> Result<Option<String>> {
        let found = first(&self.request()?.headers, &name);
        self.saw_text(&name, found.as_deref());
        Ok(found)
    }

    fn header_values(&mut self, _: Resource<Request>, name: String) -> Result<Vec<String>> {
        let found = all(&self.request()?.headers, &name);
        found.iter().for_each(|value| self.saw_text(&name, Some(value)));
        Ok(found)
    }

    fn header_names(&mut self, _: Resource<Request>) -> Result<Vec<String>> {
        let names = self.request()?.headers.keys();
        Ok(names.map(|name| name.as_str().to_owned()).collect())
    }

    fn cookie(&mut self, _: Resource<Request>, name: String) -> Result<Option<String>> {
        let found = cookies::cookie(&self.request()?.headers, &name);
        let found = found.map(text);
        self.saw_text("cookie", found.as_deref());
        Ok(found)
    }

    fn client_ip(&mut self, _: Resource<Request>) -> Result<(u64, u64)> {
        let address = match self.request()?.client {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let bits = u128::from(address);
        Ok(((bits >> 64) as u64, bits as u64))
    }

    fn tls_server_name(&mut self, _: Resource<Request>) -> Result<Option<String>> {
        Ok(self.request()?.server_name.as_deref().map(str::to_owned))
    }

    fn key(&mut self, _: Resource<Request>, source: KeySource) -> Result<Option<u64>> {
        Ok(key::hash(self.request()?, std::slice::from_ref(&source), self.owner.seed))
    }

    fn body_prefix(&mut self, _: Resource<Request>) -> Result<BodyPrefix> {
        let prefix = match self.phase {
            Phase::Routing => self.request()?.prefix.clone(),
            _ => Default::default(),
        };
        let asked = prefix.bytes.len().min(self.wishes.hold_body);
        Ok(BodyPrefix {
            complete: prefix.complete && asked == prefix.bytes.len(),
            bytes: prefix.bytes.slice(..asked).to_vec(),
        })
    }

    fn set_header(&mut self, _: Resource<Request>, name: String, value: String) -> Result<Edited> {
        Ok(self.request_edits(|edits| edits.set(&name, &value)))
    }

    fn append_header(&mut self, _: Resource<Request>, name: String, value: String) -> Result<Edited> {
        Ok(self.request_edits(|edits| edits.append(&name, &value)))
    }

    fn remove_header(&mut self, _: Resource<Request>, name: String) -> Result<Edited> {
        Ok(self.request_edits(|edits| edits.remove(&name)))
    }

    fn set_path_and_query(&mut self, _: Resource<Request>, value: String) -> Result<Edited> {
        Ok(self.request_edits(|edits| edits.set_target(&value)))
    }

    fn set_reply_header(&mut self, _: Resource<Request>, name: String, value: String) -> Result<Edited> {
        Ok(self.request_edits(|edits| edits.set_reply_header(&name, &value)))
    }

    fn set_reply_body(&mut self, _: Resource<Request>, body: Vec<u8>) -> Result<Edited> {
        Ok(self.request_edits(|edits| edits.set_reply_body(body)))
    }

    fn drop(&mut self, _: Resource<Request>) -> Result<()> {
        Ok(())
    }
}

impl HostResponseHead for Context {
    fn status(&mut self, _: Resource<Response>) -> Result<u16> {
        Ok(self.response()?.status.as_u16())
    }

    fn endpoint_id(&mut self, _: Resource<Response>) -> Result<Option<String>> {
        let endpoint = &self.response()?.endpoint;
        Ok(endpoint.as_ref().map(|endpoint| endpoint.settings.id.as_ref().to_owned()))
    }

    fn header(&mut self, _: Resource<Response>, name: String) -> Result<Option<String>> {
        Ok(first(&self.response()?.headers, &name))
    }

    fn header_values(&mut self, _: Resource<Response>, name: String) -> Result<Vec<String>> {
        Ok(all(&self.response()?.headers, &name))
    }

    fn set_status(&mut self, _: Resource<Response>, status: u16) -> Result<Edited> {
        let now = self.response()?.status;
        Ok(self.edits.set_status(now, status))
    }

    fn set_header(&mut self, _: Resource<Response>, name: String, value: String) -> Result<Edited> {
        Ok(self.edits.set(&name, &value))
    }

    fn append_header(&mut self, _: Resource<Response>, name: String, value: String) -> Result<Edited> {
        Ok(self.edits.append(&name, &value))
    }

    fn remove_header(&mut self, _: Resource<Response>, name: String) -> Result<Edited> {
        Ok(self.edits.remove(&name))
    }

    fn apply(&mut self, _: Resource<Response>, prepared: u32) -> Result<Edited> {
        Ok(match self.wishes.prepared.get(prepared as usize) {
            Some(prepared) => self.edits.apply_prepared(prepared),
            None => Err(EditError::Invalid),
        })
    }

    fn drop(&mut self, _: Resource<Response>) -> Result<()> {
        Ok(())
    }
}

type Edited = std::result::Result<(), EditError>;

impl Context {
    fn request_edits(&mut self, edit: impl FnOnce(&mut Edits) -> Edited) -> Edited {
        match self.phase {
            Phase::Routing => edit(&mut self.edits),
            _ => Err(EditError::ReadOnly),
        }
    }
}

/// The first field of that name; none for a name that no field can have.
fn first(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| text(value.as_bytes()))
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values.map(|value| text(value.as_bytes())).collect()
}
