//! `traceparent` and `tracestate` (W3C Trace Context, level 1): what they say, and what is said onward. A malformed `traceparent`
//! says nothing, and neither does a `tracestate` beside it.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::observe::trace::{Context, SpanId, TraceId};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-<32 digits>-<16 digits>-<2 digits>`.
const LENGTH: usize = 55;

/// The flags: it is told of; its name was drawn at random.
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// Whether a request says anything of a trace.
pub fn has_trace(headers: &HeaderMap) -> bool {
    headers.contains_key(TRACEPARENT) || headers.contains_key(TRACESTATE)
}

/// Where whoever asked stands, with what others have noted; none where that is not well formed.
pub fn read_trace(headers: &HeaderMap) -> Option<(Context, String)> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    let (Some(only), None) = (fields.next(), fields.next()) else { return None };
    let context = parse(only.as_bytes())?;
    let states = headers.get_all(TRACESTATE).iter().filter_map(|state| state.to_str().ok());
    Some((context, states.filter(|state| !state.is_empty()).collect::<Vec<_>>().join(",")))
}

/// Takes out what is not gone on with.
pub fn remove_trace(headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
}

/// Says where the request stands that goes out with these.
pub fn write_trace(headers: &mut HeaderMap, context: &Context) {
    let flags = (u8::from(context.sampled) * SAMPLED) | (u8::from(context.random) * RANDOM);
    let mut text = Vec::with_capacity(LENGTH);
    write_digits(&mut text, 0, 2);
    for (number, count) in [(context.trace.get(), 32), (context.span.get().into(), 16), (flags.into(), 2)] {
        text.push(b'-');
        write_digits(&mut text, number, count);
    }
    // Digits and dashes make a legal value.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)) {
        headers.insert(TRACEPARENT, value);
    }
}

/// So many digits, by hand: each request has them, and formatting takes five times as long.
fn write_digits(text: &mut Vec<u8>, number: u128, count: u32) {
    text.extend((0..count).rev().map(|place| match (number >> (4 * place)) as u8 & 15 {
        digit @ 0..=9 => b'0' + digit,
        digit => b'a' + digit - 10,
    }));
}

/// Of a version that is not known, as much is read as is known (§3.2.2.4).
fn parse(text: &[u8]) -> Option<Context> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let version = digits(known, 0, 2)?;
    let is_whole = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with(b"-") };
    let dashes = [2, 35, 52].iter().all(|&at| known.get(at) == Some(&b'-'));
    if version == 0xff || !is_whole || !dashes {
        return None;
    }
    let flags = digits(known, 53, 2)? as u8;
    Some(Context {
        trace: TraceId::new(digits(known, 3, 32)?)?,
        span: SpanId::new(digits(known, 36, 16)? as u64)?,
        sampled: flags & SAMPLED != 0,
        random: flags & RANDOM != 0,
    })
}

/// So many digits from there on; capital ones are none.
fn digits(text: &[u8], from: usize, count: usize) -> Option<u128> {
    text.get(from..from + count)?.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn a_well_formed_parent_is_read_and_said_onward() {
        let same = |version: &str, flags: &str| format!("{version}-{TRACE}-{SPAN}-{flags}");
        // What comes, and what goes out with the same span.
        let cases = [
            (same("00", "00"), "00"),
            (same("00", "01"), "01"),
            (same("00", "03"), "03"),
            // What is not known is not said onward.
            (same("00", "ff"), "03"),
            (same("01", "01"), "01"),
            (same("cc", "09-what-the-future-will-be-like"), "01"),
            (same("cc", "00-"), "00"),
        ];
        for (text, flags) in cases {
            let (context, state) = read_trace(&fields(&[("traceparent", &text)])).expect(&text);
            assert_eq!(state, "");
            let mut onward = fields(&[("traceparent", "of before")]);
            write_trace(&mut onward, &context);
            assert_eq!(onward.get_all("traceparent").iter().collect::<Vec<_>>(), [&same("00", flags)[..]]);
        }
    }

    #[test]
    fn a_malformed_parent_says_nothing() {
        let (zeros, capitals) = ("0".repeat(32), TRACE.to_uppercase());
        let cases = [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-0"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-011"),
            format!("0g-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{capitals}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0G"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}.{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-+1"),
        ];
        for text in cases {
            assert_eq!(read_trace(&fields(&[("traceparent", &text), ("tracestate", "a=1")])), None, "{text:?}");
        }
        let good = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(read_trace(&fields(&[("traceparent", &good), ("traceparent", &good)])), None, "two of them");
        assert_eq!(read_trace(&fields(&[("tracestate", "a=1")])), None);
    }

    #[test]
    fn what_others_have_noted_is_one_list() {
        let good = format!("00-{TRACE}-{SPAN}-01");
        let found = read_trace(&fields(&[
            ("tracestate", "a=1"),
            ("traceparent", &good),
            ("tracestate", ""),
            ("tracestate", "b=2,c=3"),
        ]));
        assert_eq!(found.map(|(_, state)| state).as_deref(), Some("a=1,b=2,c=3"));
    }
}
