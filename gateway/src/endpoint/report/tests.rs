//! What is a report and what is none, and how long one counts.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName};

use super::*;
use crate::endpoint::Fault;
use crate::endpoint::tests::endpoint;

fn names(names: &[&str]) -> Arc<[Arc<str>]> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), value.parse().unwrap());
    }
    headers
}

fn read(fields: &[(&'static str, &str)]) -> Result<Report, NoReport> {
    Report::take_from(&mut headers(fields), &names(&["queue", "utilization.disk"]), false).unwrap()
}

fn said(value: &str) -> Result<[f64; 5], NoReport> {
    read(&[("endpoint-load-metrics", value)]).map(|report| figures(&report))
}

fn figures(report: &Report) -> [f64; 5] {
    let Report { cpu, memory, utilization, requests_per_second, errors_per_second, .. } = report;
    [*cpu, *memory, *utilization, *requests_per_second, *errors_per_second]
}

/// `OrcaLoadReport { cpu_utilization: 0.3, mem_utilization: 0.8, rps: 5, utilization: { disk: 0.5 }, rps_fractional: 10.5, eps: 1,
/// named_metrics: { queue: 7 }, application_utilization: 0.4 }`, and two fields that it does not have.
fn message() -> Vec<u8> {
    let double = |tag: u8, value: f64| [&[tag][..], &value.to_le_bytes()].concat();
    let entry = |tag: u8, name: &str, value: f64| {
        let entry = [&[0x0a, name.len() as u8], name.as_bytes(), &double(0x11, value)].concat();
        [&[tag, entry.len() as u8][..], &entry].concat()
    };
    [
        double(0x09, 0.3),
        double(0x11, 0.8),
        vec![0x18, 5],
        entry(0x2a, "disk", 0.5),
        double(0x31, 10.5),
        double(0x39, 1.0),
        entry(0x42, "queue", 7.0),
        double(0x49, 0.4),
        vec![0xf8, 0x07, 1],
        vec![0x5d, 1, 2, 3, 4],
    ]
    .concat()
}

#[test]
fn all_forms_say_the_same() {
    let text = "TEXT cpu_utilization=0.3, mem_utilization=0.8,application_utilization=0.4 , rps_fractional=10.5, eps=1, \
                named_metrics.queue=7, utilization.disk=0.5, request_cost.x=3, later=1";
    let json = r#"JSON {"cpu_utilization": 0.3, "memUtilization": 0.8, "application_utilization": 0.4, "rps": "5",
        "rps_fractional": 10.5, "eps": 1, "named_metrics": {"queue": "7", "other": -1}, "utilization": {"disk": 0.5},
        "later": {"a": [null]}}"#
        .replace('\n', " ");
    let binary = format!("BIN {}", STANDARD.encode(message()));
    for value in [text, &json, &binary] {
        let report = read(&[("endpoint-load-metrics", value)]).unwrap();
        assert_eq!(figures(&report), [0.3, 0.8, 0.4, 10.5, 1.0], "{value}");
        let named: Vec<_> = report.all_named().map(|(name, value)| (name.to_string(), value)).collect();
        assert_eq!(named, [("queue".to_owned(), 7.0), ("utilization.disk".to_owned(), 0.5)], "{value}");
        assert_eq!((report.named("queue"), report.named("other")), (Some(7.0), None));
    }
    for encoded in [STANDARD.encode(message()), STANDARD_NO_PAD.encode(message())] {
        let report = read(&[("endpoint-load-metrics-bin", &encoded)]).unwrap();
        assert_eq!(figures(&report), [0.3, 0.8, 0.4, 10.5, 1.0]);
    }
    assert_eq!(said("text cpu:0.5"), Ok([0.5, 0.0, 0.0, 0.0, 0.0]), "as Envoy had it once");
    assert_eq!(said("JSON {\"rps\": 12}"), Ok([0.0, 0.0, 0.0, 12.0, 0.0]));
    assert_eq!(said("TEXT rps_fractional=1.5, rps=2"), Ok([0.0, 0.0, 0.0, 1.5, 0.0]));
    assert_eq!(said("JSON {}"), Ok([0.0; 5]));
}

#[test]
fn what_is_no_report_is_refused_as_a_whole() {
    use NoReport::{Form, TooMuch, Value};
    let long = format!("TEXT {}", "x=1,".repeat(2000));
    let deep = format!("JSON {{\"x\": {}", "[".repeat(3000));
    let cases = [
        ("", Form),
        ("TEXT", Form),
        ("cpu_utilization=0.3", Form),
        ("XML <cpu/>", Form),
        ("TEXT cpu_utilization", Form),
        ("TEXT cpu_utilization=", Value),
        ("TEXT cpu_utilization=high", Value),
        ("TEXT cpu_utilization=-0.1", Value),
        ("TEXT cpu_utilization=1001", Value),
        ("TEXT cpu_utilization=NaN", Value),
        ("TEXT rps_fractional=inf", Value),
        ("TEXT rps_fractional=1e300", Value),
        ("TEXT mem_utilization=0.5, named_metrics.queue=-1e16", Value),
        ("JSON", Form),
        ("JSON cpu_utilization=0.3", Form),
        ("JSON {\"cpu_utilization\": \"NaN\"}", Value),
        ("JSON {\"cpu_utilization\": 1e999}", Form),
        ("JSON {\"cpu_utilization\": [1]}", Form),
        ("JSON {\"cpu_utilization\": 1, \"cpu_utilization\": 1}", Form),
        ("JSON {\"named_metrics\": {\"queue\": true}}", Form),
        ("BIN *", Form),
        ("BIN CQ==", Form),
        (&long, TooMuch),
        (&deep, Form),
    ];
    for (value, expected) in cases {
        assert_eq!(said(value), Err(expected), "{value:.60}");
    }
    let twice = [("endpoint-load-metrics", "TEXT cpu=1"), ("endpoint-load-metrics", "TEXT cpu=1")];
    assert_eq!(read(&twice), Err(TooMuch));
    let both = [("endpoint-load-metrics", "TEXT cpu=1"), ("endpoint-load-metrics-bin", "")];
    assert_eq!(read(&both), Err(TooMuch));
    // Bytes of each length, cut off anywhere.
    for end in 0..message().len() {
        let cut = STANDARD.encode(&message()[..end]);
        let _ = read(&[("endpoint-load-metrics-bin", &cut)]);
    }
}

#[test]
fn the_fields_are_taken_off_unless_they_shall_stay() {
    for pass_on in [false, true] {
        let mut headers = headers(&[("endpoint-load-metrics", "TEXT cpu=2000"), ("x-a", "b")]);
        let refused = Report::take_from(&mut headers, &names(&[]), pass_on);
        assert_eq!((refused, headers.len()), (Some(Err(NoReport::Value)), 1 + usize::from(pass_on)));
    }
    assert_eq!(Report::take_from(&mut headers(&[("x-a", "b")]), &names(&[]), false), None);
}

#[test]
fn a_report_counts_until_it_is_too_old_and_a_pause_begins_anew() {
    let endpoint = endpoint("a", 1);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let report = |seconds| {
        let mut report = Report::keeping(&names(&[]));
        report.put("cpu", 0.5).unwrap();
        endpoint.reports(report, at(seconds), Duration::from_secs(10));
    };
    let reported =
        |seconds| endpoint.reported(at(seconds)).map(|last| (last.age.as_secs(), last.steady.as_secs(), last.cpu));
    assert_eq!(reported(0), None);
    report(1);
    assert_eq!((reported(1), reported(10), reported(11)), (Some((0, 0, 0.5)), Some((9, 9, 0.5)), None));
    report(9);
    assert_eq!(reported(12), Some((3, 11, 0.5)), "no pause");
    report(19);
    assert_eq!(reported(20), Some((1, 1, 0.5)), "after a pause");
    endpoint.report_refused();
    endpoint.report_failed();
    assert_eq!(endpoint.reports_given(), Given { taken: 3, refused: 1, failed: 1 });
}

#[test]
fn who_was_out_begins_anew() {
    let endpoint = endpoint("a", 1);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let look = |seconds, is_in_use| endpoint.figures.in_use_for(is_in_use, at(seconds), true);
    endpoint.reports(Report::keeping(&names(&[])), at(0), Duration::from_secs(100));
    let steady = |seconds| endpoint.reported(at(seconds)).unwrap().steady.as_secs();
    assert_eq!(steady(5), 5);
    endpoint.eject(at(5), Duration::from_secs(5), 1, Fault::Errors);
    look(5, false);
    assert_eq!(steady(8), 0);
    look(10, true);
    assert_eq!((steady(10), steady(17)), (0, 7));
}

#[test]
fn a_message_ends_where_it_is_not_well_formed() {
    use protobuf::{Value, fields};
    let all = |message: &'static [u8]| fields(message).collect::<Vec<_>>();
    assert_eq!(all(b""), []);
    assert_eq!(all(b"\x08\x96\x01"), [Some((1, Value::Number(150)))]);
    assert_eq!(
        all(b"\x12\x02hi\x0d\x01\x02\x03\x04"),
        [Some((2, Value::Bytes(b"hi"))), Some((1, Value::Four([1, 2, 3, 4])))]
    );
    let cut: [&[u8]; 6] = [
        b"\x08",
        b"\x12\x03hi",
        b"\x09abcdefg",
        b"\x0dabc",
        b"\x0bx",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ];
    for message in cut {
        assert_eq!(fields(message).collect::<Vec<_>>(), [None], "{message:?}");
    }
    assert_eq!(all(b"\x08\x01\x0b\x08\x01"), [Some((1, Value::Number(1))), None]);
}
