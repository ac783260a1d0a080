//! Instances of a service as Consul tells them, and the endpoints that they are. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::endpoint_address;
use crate::config::model::Endpoint;

/// Weights of endpoints are 1 to this.
const HEAVIEST: u32 = 1000;

/// An instance. Fields that are not needed here are passed over, as those of later versions are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: Node,
    service: Service,
    checks: Option<Vec<Check>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    node: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    datacenter: String,
    locality: Option<Locality>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID", default)]
    id: String,
    /// Empty: that of its node.
    #[serde(default)]
    address: String,
    port: u16,
    tags: Option<Vec<String>>,
    meta: Option<BTreeMap<String, String>>,
    weights: Option<Weights>,
    locality: Option<Locality>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u32,
    warning: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Locality {
    #[serde(default)]
    zone: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    status: String,
}

/// The endpoints that an answer tells: those of which no check is critical, with the weight that Consul has for how they are.
pub(super) fn read(text: &str) -> Result<Vec<Endpoint>, String> {
    let instances: Vec<Instance> = serde_json::from_str(text).map_err(|error| format!("the answer: {error}"))?;
    instances.into_iter().filter_map(|instance| endpoint(instance).transpose()).collect()
}

/// None: it is not to be used.
fn endpoint(instance: Instance) -> Result<Option<Endpoint>, String> {
    let Instance { node, service, checks } = instance;
    let checks = checks.unwrap_or_default();
    // What is unknown to this version is no reason to send it requests.
    if checks.iter().any(|check| !["passing", "warning"].contains(&&*check.status)) {
        return Ok(None);
    }
    let weights = service.weights.unwrap_or(Weights { passing: 1, warning: 1 });
    let is_warned = checks.iter().any(|check| check.status == "warning");
    let weight = if is_warned { weights.warning } else { weights.passing };
    let host = if service.address.is_empty() { &node.address } else { &service.address };
    let address = endpoint_address(host, service.port)
        .ok_or_else(|| format!("instance {:?}: {host:?} and {} are no host and port", service.id, service.port))?;
    let mut labels = service.meta.unwrap_or_default();
    let locality = service.locality.or(node.locality).map(|locality| locality.zone).filter(|zone| !zone.is_empty());
    let zone = locality.or_else(|| labels.get("zone").cloned()).unwrap_or_default();
    let priority = labels.get("priority").and_then(|priority| priority.parse().ok()).unwrap_or(0);
    let tags = service.tags.unwrap_or_default().join(",");
    for (label, value) in
        [("tags", tags), ("node", node.node), ("datacenter", node.datacenter), ("instance", service.id)]
    {
        // What the service says of itself goes before.
        labels.entry(label.to_owned()).or_insert(value);
    }
    Ok(Some(Endpoint { weight: weight.clamp(1, HEAVIEST), priority, zone, labels, ..Endpoint::at(&address) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of the vendor's sample response of "List Service Instances for Service" (api-docs/health), cut to what differs.
    fn instance(service: &str, checks: &str) -> String {
        format!(
            r#"{{"Node": {{"ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": "foobar", "Address": "10.1.10.12",
                "Datacenter": "dc1", "TaggedAddresses": {{"lan": "10.1.10.12"}}, "Meta": {{"instance_type": "t2.medium"}}}},
               "Service": {{"ID": "redis", "Service": "redis", "Tags": ["primary"], "Meta": {{"redis_version": "4.0"}},
                "Port": 8000, "Weights": {{"Passing": 10, "Warning": 1}}, "Namespace": "default" {service}}},
               "Checks": [{checks}]}}"#
        )
    }

    fn check(status: &str) -> String {
        format!(r#"{{"Node": "foobar", "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "{status}"}}"#)
    }

    fn read_one(service: &str, checks: &str) -> Result<Vec<Endpoint>, String> {
        read(&format!("[{}]", instance(service, checks)))
    }

    #[test]
    fn an_instance_is_an_endpoint_with_all_that_is_said_of_it() {
        let found = read_one("", &check("passing")).expect("a good answer");
        let labels = [
            ("datacenter", "dc1"),
            ("instance", "redis"),
            ("node", "foobar"),
            ("redis_version", "4.0"),
            ("tags", "primary"),
        ];
        let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
        assert_eq!(found, [Endpoint { weight: 10, labels, ..Endpoint::at("10.1.10.12:8000") }]);
    }

    #[test]
    fn checks_decide_whether_and_how_much() {
        let both = format!("{}, {}", check("passing"), check("warning"));
        let cases = [
            (String::new(), Some(10)),
            (check("passing"), Some(10)),
            (both.clone(), Some(1)),
            (check("critical"), None),
            (format!("{both}, {}", check("critical")), None),
            (check("something new"), None),
        ];
        for (checks, weight) in cases {
            let found = read_one("", &checks).expect("a good answer");
            assert_eq!(found.first().map(|endpoint| endpoint.weight), weight, "{checks}");
        }
    }

    #[test]
    fn addresses_zones_and_priorities_come_from_where_they_stand() {
        let cases = [
            (r#", "Address": "10.9.9.9""#, ("10.9.9.9:8000", "", 0)),
            (r#", "Address": "2001:db8::7""#, ("[2001:db8::7]:8000", "", 0)),
            (
                r#", "Address": "redis.internal", "Locality": {"Region": "eu", "Zone": "eu-1"}"#,
                ("redis.internal:8000", "eu-1", 0),
            ),
        ];
        for (service, expected) in cases {
            let found = read_one(service, "").expect("a good answer");
            assert_eq!((&*found[0].address, &*found[0].zone, found[0].priority), expected);
        }
        let text = instance("", "").replace(r#"{"redis_version": "4.0"}"#, r#"{"zone": "b", "priority": "2"}"#);
        let found = read(&format!("[{text}]")).expect("a good answer");
        assert_eq!((&*found[0].zone, found[0].priority), ("b", 2));
        let bare = r#"[{"Node": {"Address": "10.0.0.1"}, "Service": {"Port": 1, "Tags": null, "Meta": null}, "Checks": null}]"#;
        assert_eq!(read(bare).expect("a good answer")[0].weight, 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused_whole() {
        for text in ["", "{}", "null", "[{}]", "[7]", r#"[{"Node": {}, "Service": {"Port": 70000}}]"#] {
            assert!(read(text).is_err_and(|reason| reason.starts_with("the answer: ")), "{text}");
        }
        for service in [r#", "Address": "a b""#, r#", "Address": "http://x""#] {
            let reason = read_one(service, "").expect_err("no address");
            assert!(reason.starts_with("instance \"redis\": ") && reason.ends_with("no host and port"), "{reason}");
        }
        assert_eq!(read("[]"), Ok(Vec::new()));
        let deep = "[".repeat(100_000);
        assert!(read(&deep).is_err());
    }
}
