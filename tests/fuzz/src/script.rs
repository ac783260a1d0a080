//! What the guest `obeys` does, and what must become of it: the edits one by one over a list of fields, by the rules of the plugin
//! guide. Nothing shared with the gateway but the normal form of targets, which `request` holds.

use sluice_gateway::message::target;

#[path = "../../guests/script.rs"]
mod edits;

use crate::head;
use crate::model::HOP_BY_HOP;
pub use edits::{Edit, read};

/// Most edits of one call.
const MOST: usize = 64;

/// What a message has after the edits.
#[derive(Debug)]
pub struct Model {
    pub fields: Vec<(String, Vec<u8>)>,
    pub target: String,
    pub status: u16,
    pub reply: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    most: usize,
    edits: usize,
    bytes: usize,
}

impl Model {
    /// Before any.
    pub fn of(headers: &http::HeaderMap, target: &str, status: u16, most: usize) -> Self {
        let fields = head::lines(headers);
        Self { fields, target: target.into(), status, reply: Vec::new(), body: Vec::new(), most, edits: 0, bytes: 0 }
    }

    /// All of them, in a response or else in a request.
    pub fn apply(&mut self, edits: &[Edit], is_response: bool) {
        let before = self.status;
        for edit in edits {
            for _ in 0..edit.times {
                self.one(edit, is_response, before);
            }
        }
        self.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.reply.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// What a faulty gateway would have kept.
    pub fn forget_removal(&mut self, edits: &[Edit]) {
        if let [.., before, removal] = edits
            && before.kind == 4
            && removal.kind == 2
            && removal.name == "accept"
        {
            self.fields.insert(0, ("accept".into(), b"a".to_vec()));
        }
    }

    fn one(&mut self, edit: &Edit, is_response: bool, before: u16) -> Option<()> {
        match (edit.kind, is_response) {
            (0..=2, _) => {
                let name = name(&edit.name)?;
                let value = if edit.kind == 2 { Vec::new() } else { value(&edit.value)? };
                self.charge(name.len() + value.len())?;
                if edit.kind != 1 {
                    self.fields.retain(|(found, _)| *found != name);
                }
                if edit.kind != 2 {
                    self.fields.push((name, value));
                }
            }
            (3, false) => {
                self.charge(edit.value.len())?;
                self.target = target::parse(&edit.value).ok()?.as_str().to_owned();
            }
            (4, false) => {
                let (name, value) = (name(&edit.name)?, value(&edit.value)?);
                self.charge(name.len() + value.len())?;
                self.reply.retain(|(found, _)| *found != name);
                self.reply.push((name, value));
            }
            (5, false) if edit.value.len() <= 64 * 1024 => self.body = edit.value.clone().into_bytes(),
            (6, true) => {
                let status = edit.value.chars().fold(0, |status: u16, digit| status.wrapping_mul(256) | digit as u16);
                let frames = |status: u16| matches!(status, 100..200 | 204 | 205 | 304);
                let may = (200..600).contains(&status) && (status == before || !frames(status) && !frames(before));
                if may {
                    self.charge(0)?;
                    self.status = status;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn charge(&mut self, bytes: usize) -> Option<()> {
        let fits = self.edits < MOST && self.bytes + bytes <= self.most;
        fits.then(|| {
            self.edits += 1;
            self.bytes += bytes;
        })
    }
}

/// In lower case, if it is a token and a plugin's to write.
fn name(text: &str) -> Option<String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let name = text.to_ascii_lowercase();
    let of_gateway = ["content-length", "expect", "host", "max-forwards", "trailer", "via", "forwarded", "x-real-ip"];
    let may = !name.is_empty()
        && name.chars().all(is_token)
        && !HOP_BY_HOP.contains(&&*name)
        && !of_gateway.contains(&&*name)
        && !name.starts_with("x-forwarded-");
    may.then_some(name)
}

/// One byte for each character, if it is a value, to which blanks around it do not belong (RFC 9110 §5.5).
fn value(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_start_matches([' ', '\t']).trim_end_matches([' ', '\t']);
    let byte =
        |c: char| u8::try_from(u32::from(c)).ok().filter(|byte| *byte == b'\t' || *byte >= 0x20 && *byte != 0x7f);
    text.chars().map(byte).collect()
}
