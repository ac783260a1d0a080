//! Reports in fields of answers, as ORCA writes them (xDS, "ORCA load report format"): `endpoint-load-metrics` with `TEXT`, `JSON` or
//! `BIN` before it, or `endpoint-load-metrics-bin`, which gRPC puts into trailers. Figures of later versions are passed over.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::protobuf::{Value, fields};
use super::{NoReport, Report};

/// With its form before it.
static FIELD: HeaderName = HeaderName::from_static("endpoint-load-metrics");
/// Always binary.
static BINARY: HeaderName = HeaderName::from_static("endpoint-load-metrics-bin");

/// Bytes of a report: some hundred figures.
const LONGEST: usize = 4 * 1024;

/// gRPC leaves the padding of binary fields away, others do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Report {
    /// The report among these fields, or trailers; none: there is none. `pass_on`: they stay there.
    ///
    /// # Errors
    /// If what is there is no report.
    pub fn take_from(
        headers: &mut HeaderMap,
        names: &Arc<[Arc<str>]>,
        pass_on: bool,
    ) -> Option<Result<Self, NoReport>> {
        let report = Self::read(headers, names)?;
        if !pass_on {
            headers.remove(&FIELD);
            headers.remove(&BINARY);
        }
        Some(report)
    }

    fn read(headers: &HeaderMap, names: &Arc<[Arc<str>]>) -> Option<Result<Self, NoReport>> {
        let all = |name: &'static HeaderName| headers.get_all(name).iter().map(move |value| (name, value));
        let mut found = all(&FIELD).chain(all(&BINARY));
        let (name, value) = found.next()?;
        if found.next().is_some() || value.len() > LONGEST {
            return Some(Err(NoReport::TooMuch));
        }
        let mut report = Self::keeping(names);
        let read = if *name == BINARY { report.put_base64(value.as_bytes()) } else { report.put_formed(value) };
        Some(read.map(|()| report))
    }

    fn put_formed(&mut self, value: &HeaderValue) -> Result<(), NoReport> {
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| NoReport::Form)?;
        let (form, text) = text.trim().split_once([' ', '\t']).ok_or(NoReport::Form)?;
        let text = text.trim();
        match form {
            form if form.eq_ignore_ascii_case("TEXT") => self.put_text(text),
            form if form.eq_ignore_ascii_case("JSON") => self.put_json(text),
            form if form.eq_ignore_ascii_case("BIN") => self.put_base64(text.as_bytes()),
            _ => Err(NoReport::Form),
        }
    }

    /// `cpu_utilization=0.3, named_metrics.queue=7`; Envoy took a colon for the equals sign once.
    fn put_text(&mut self, text: &str) -> Result<(), NoReport> {
        for figure in text.split(',').map(str::trim).filter(|figure| !figure.is_empty()) {
            let (name, value) = figure.split_once('=').or_else(|| figure.split_once(':')).ok_or(NoReport::Form)?;
            let value = value.trim().parse::<f64>().map_err(|_| NoReport::Value)?;
            self.put(name.trim(), value)?;
        }
        Ok(())
    }

    fn put_json(&mut self, text: &str) -> Result<(), NoReport> {
        let json: Json<'_> = serde_json::from_str(text).map_err(|_| NoReport::Form)?;
        let plain = [
            ("cpu_utilization", json.cpu_utilization),
            ("mem_utilization", json.mem_utilization),
            ("application_utilization", json.application_utilization),
            ("rps_fractional", json.rps_fractional),
            ("rps", json.rps),
            ("eps", json.eps),
        ];
        for (name, value) in plain {
            if let Some(Number(value)) = value {
                self.put(name, value)?;
            }
        }
        for (name, Number(value)) in json.named_metrics {
            self.put_named(&name, value)?;
        }
        for (name, Number(value)) in json.utilization {
            self.put_named(&of_utilization(&name), value)?;
        }
        Ok(())
    }

    fn put_base64(&mut self, text: &[u8]) -> Result<(), NoReport> {
        let message = BASE64.decode(text).map_err(|_| NoReport::Form)?;
        for field in fields(&message) {
            let name = |number| match number {
                1 => "cpu_utilization",
                2 => "mem_utilization",
                6 => "rps_fractional",
                7 => "eps",
                9 => "application_utilization",
                _ => "",
            };
            match field.ok_or(NoReport::Form)? {
                (number @ (1 | 2 | 6 | 7 | 9), Value::Eight(value)) => {
                    self.put(name(number), f64::from_le_bytes(value))?;
                }
                (3, Value::Number(rps)) => self.put("rps", rps as f64)?,
                (number @ (5 | 8), Value::Bytes(entry)) => {
                    let (name, value) = entry_of(entry).ok_or(NoReport::Form)?;
                    if number == 8 {
                        self.put_named(name, value)?;
                    } else {
                        self.put_named(&of_utilization(name), value)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What the map `utilization` has stands with those of `named_metrics`, by the name that it has in a text.
fn of_utilization(name: &str) -> String {
    format!("utilization.{name}")
}

/// An entry of a map: a name, and a value that is 0 if it is not said.
fn entry_of(message: &[u8]) -> Option<(&str, f64)> {
    let (mut name, mut value) = ("", 0.0);
    for field in fields(message) {
        match field? {
            (1, Value::Bytes(bytes)) => name = std::str::from_utf8(bytes).ok()?,
            (2, Value::Eight(bytes)) => value = f64::from_le_bytes(bytes),
            _ => {}
        }
    }
    Some((name, value))
}

/// The message in JSON, by the mapping of Protocol Buffers: names may be written in both ways.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Json<'t> {
    #[serde(alias = "cpuUtilization")]
    cpu_utilization: Option<Number>,
    #[serde(alias = "memUtilization")]
    mem_utilization: Option<Number>,
    #[serde(alias = "applicationUtilization")]
    application_utilization: Option<Number>,
    #[serde(alias = "rpsFractional")]
    rps_fractional: Option<Number>,
    rps: Option<Number>,
    eps: Option<Number>,
    #[serde(alias = "namedMetrics", borrow)]
    named_metrics: BTreeMap<Cow<'t, str>, Number>,
    #[serde(borrow)]
    utilization: BTreeMap<Cow<'t, str>, Number>,
}

/// A number, or a text that is one: JSON has no others for `NaN` and for those of 64 bits.
#[derive(Debug, Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value as f64))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Number, E> {
                value.parse().map(Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
