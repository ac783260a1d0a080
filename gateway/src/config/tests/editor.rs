//! The schema that editors get.

use schemars::JsonSchema;
use serde_json::json;

use super::*;
use crate::config::texts::{Cidr, EndpointAddress, EndpointId, ListenAddress, Name, Sha256};
use crate::config::units::{Share, Size, Time};

/// What an editor marks must be wrong for the gateway too, and most of what is wrong for the gateway it marks.
#[test]
fn patterns_mark_no_well_formed_text() {
    fn fits<T: JsonSchema>(text: &str) -> bool {
        jsonschema::is_valid(&schema::schema_of::<T>(), &text.into())
    }
    type Case = (fn(&str) -> bool, &'static [&'static str], &'static [&'static str]);
    let cases: &[Case] = &[
        (fits::<Time>, &["10s", "250ms", "1d"], &["10", "1.5s", "10 s"]),
        (fits::<Size>, &["32KiB", "1B"], &["32KB", "32"]),
        (fits::<Share>, &["50%", "12.5%", "0%"], &["50", "12.55%"]),
        (fits::<ListenAddress>, &["0.0.0.0:8443", "[::]:0", "[fe80::1%2]:80"], &["localhost:80", ":80", "0.0.0.0"]),
        (
            fits::<EndpointAddress>,
            &["10.0.0.1:8080", "[::1]:8080", "my_db.internal:1"],
            &["10.0.0.1", "http://a:80", "::1:80"],
        ),
        (fits::<Cidr>, &["10.0.0.7", "10.0.0.0/8", "fd00::/8"], &["10.0.0.0/8/8", "net"]),
        (fits::<Sha256>, &["0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789"], &["abc"]),
        (fits::<Name>, &["app-2", "a.b_c", "0"], &["", "my app", "-a"]),
        (fits::<EndpointId>, &["app-1", "[::1]:80"], &["", "a b"]),
    ];
    for (fits, right, wrong) in cases {
        for text in *right {
            assert!(fits(text), "{text:?} is marked");
        }
        for text in *wrong {
            assert!(!fits(text), "{text:?} is not marked");
        }
    }
}

#[test]
fn what_a_plugins_schema_refers_to_is_found_in_the_whole() {
    let node = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/mine",
        "type": "object",
        "required": ["deep"],
        "properties": { "deep": { "$ref": "#/$defs/Deep" }, "again": { "$ref": "#" }, "$ref": { "type": "string" } },
        "additionalProperties": false,
        "$defs": { "Deep": { "type": "integer" } },
    });
    let all = schema_with(&[("mine".to_owned(), node), ("plain".to_owned(), serde_json::Value::Null)]);
    let fits = |used: serde_json::Value| {
        let upstream = json!({ "name": "a", "endpoints": [{ "address": "a:1" }], "selection": [used] });
        jsonschema::is_valid(&all, &json!({ "upstream": [upstream] }))
    };
    let cases = [
        (json!({ "plugin": "mine", "config": { "deep": 1, "again": { "deep": 2 }, "$ref": "text" } }), true),
        (json!({ "plugin": "mine", "config": { "deep": 1, "again": { "deep": "2" } } }), false),
        (json!({ "plugin": "mine", "config": { "deep": 1, "other": 2 } }), false),
        (json!({ "plugin": "mine", "config": {} }), false),
        (json!({ "plugin": "mine" }), false),
        (json!({ "plugin": "plain" }), true),
        (json!({ "plugin": "plain", "config": {} }), true),
        (json!({ "plugin": "plain", "config": { "a": 1 } }), false),
        (json!({ "plugin": "unknown here", "config": { "a": 1 } }), true),
        (json!("mine"), true),
    ];
    for (used, expected) in cases {
        assert_eq!(fits(used.clone()), expected, "{used}");
    }
}
