//! Lists of endpoints that stand elsewhere, read by the same rules as those of the configuration.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::key_path::KeyPath;
use super::model::Endpoint;
use super::problem::Report;
use super::schema::schema_of;
use super::texts::EndpointAddress;
use super::upstreams::endpoints;
use super::{Format, Problems, parse, problem_of_file, raw, shape};

/// Most endpoints of an upstream that are found elsewhere. More are a mistake, most likely, and would cost each request.
pub const MOST_FOUND: usize = 10_000;

/// The address of an endpoint by its host, a name or an IP address, and its port; none if that is no address.
pub fn endpoint_address(host: &str, port: u16) -> Option<String> {
    let address = match host.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    };
    address.parse::<EndpointAddress>().ok().map(|address| address.0)
}

/// Reads a list of endpoints: a table with nothing but `endpoints`, or in JSON the list itself. `display_name` is what problems call
/// it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_endpoints(text: &str, format: Format, display_name: &str) -> Result<Vec<Endpoint>, Problems> {
    // Made once: what is read often, is.
    static TABLE: LazyLock<Json> = LazyLock::new(schema_of::<raw::Endpoints>);
    static LIST: LazyLock<Json> = LazyLock::new(schema_of::<Vec<raw::Endpoint>>);
    let is_list = format == Format::Json && text.trim_ascii_start().starts_with('[');
    match is_list {
        true => read(text, format, display_name, &LIST, &KeyPath::root(), |list: Vec<raw::Endpoint>| list),
        false => {
            let at = KeyPath::root().key("endpoints");
            read(text, format, display_name, &TABLE, &at, |table: raw::Endpoints| table.endpoints)
        }
    }
}

fn read<T: DeserializeOwned>(
    text: &str,
    format: Format,
    display_name: &str,
    schema: &Json,
    at: &KeyPath,
    list: impl FnOnce(T) -> Vec<raw::Endpoint>,
) -> Result<Vec<Endpoint>, Problems> {
    let places = parse(text, format, display_name)?;
    let count = places.members(at);
    if count > MOST_FOUND {
        let message = format!("{count} endpoints, {MOST_FOUND} at most");
        return Err(Problems(vec![places.problem(at, message)]));
    }
    let mut report = Report::new(&places);
    let fitted = shape::fit(places.document(), schema, &KeyPath::root(), &mut report);
    report.shape_is_done();
    let shaped = serde_json::from_value(fitted).map_err(|error| problem_of_file(display_name, 0, error.to_string()))?;
    let endpoints = endpoints(list(shaped), at, &mut report);
    let found = report.finish();
    match found.is_empty() {
        true => Ok(endpoints),
        false => Err(Problems::new(found.into_iter().map(|(_, problem)| problem).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_toml_from_json_and_without_a_name() {
        let texts = [
            (Format::Toml, "[[endpoints]]\naddress = \"a:1\"\nweight = 3\n[[endpoints]]\nid = 'two'\naddress = 'b:2'"),
            (Format::Json, r#"{"endpoints": [{"address": "a:1", "weight": 3}, {"id": "two", "address": "b:2"}]}"#),
            (Format::Json, "\n [{\"address\": \"a:1\", \"weight\": 3}, {\"id\": \"two\", \"address\": \"b:2\"}]"),
        ];
        for (format, text) in texts {
            let found = read_endpoints(text, format, "list").expect("a good list");
            let seen: Vec<_> = found.iter().map(|one| (&*one.id, &*one.address, one.weight)).collect();
            assert_eq!(seen, [("a:1", "a:1", 3), ("two", "b:2", 1)], "{text}");
        }
        for (format, text) in [(Format::Toml, "endpoints = []"), (Format::Json, "[]")] {
            assert_eq!(read_endpoints(text, format, "list"), Ok(Vec::new()), "{text}");
        }
    }

    #[test]
    fn a_bad_list_says_line_and_key() {
        let cases = [
            (Format::Toml, "", "list: endpoints: this key is required"),
            (
                Format::Toml,
                "endpoints = [\n{ address = 'a' }]",
                "list:2: endpoints[0].address: expected a host and a port",
            ),
            (Format::Toml, "endpoints = []\nmore = 1", "list:2: more: unknown key \"more\"; known here: endpoints"),
            (
                Format::Json,
                "[{\"address\": \"a:1\"},\n{\"address\": \"a:1\"}]",
                "list:2: [1].address: another endpoint",
            ),
            (Format::Json, "[\n{\"address\": \"a:1\", \"weight\": 0}]", "list:2: [0].weight: expected a whole number"),
            (Format::Json, "[\n", "list:2: EOF"),
            (Format::Json, "7", "list: expected a table, found the number 7"),
            (Format::Json, "[7]", "list:1: [0]: expected a table"),
        ];
        for (format, text, expected) in cases {
            let problems = read_endpoints(text, format, "list").expect_err(text);
            assert!(problems.to_string().starts_with(expected), "{text}: {problems}");
        }
    }

    #[test]
    fn a_long_list_is_read_in_time_that_grows_with_it() {
        let entry = |number: usize| format!("{{\"address\": \"10.0.{}.{}:80\"}}", number / 250, number % 250);
        let text = format!("[{}]", (0..10_000).map(entry).collect::<Vec<_>>().join(","));
        assert_eq!(read_endpoints(&text, Format::Json, "list").map(|found| found.len()), Ok(MOST_FOUND));
        let more = text.replacen('[', "[{\"address\": \"a:1\"},", 1);
        let problems = read_endpoints(&more, Format::Json, "list").expect_err("one more");
        assert_eq!(problems.to_string(), "list: 10001 endpoints, 10000 at most");
    }
}
