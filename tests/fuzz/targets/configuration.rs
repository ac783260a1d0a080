//! Configurations: of a text that is none, every problem has a place in it; one that is good holds together, its routes are found as
//! the order of preference says, and in JSON it means the same as in TOML.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use libfuzzer_sys::fuzz_target;
use sluice_fuzz::PLANTED;
use sluice_gateway::config::model::{Config, HostPattern, Matcher, PathPattern};
use sluice_gateway::config::{self, Format, Problem};
use sluice_gateway::message::{BodyPrefix, RequestHead, Scheme, target};
use sluice_gateway::plugin::builtin;
use sluice_gateway::route::Table;

static BUILT_IN: LazyLock<Vec<&'static str>> = LazyLock::new(builtin::names);

/// JSON if it begins like that, otherwise TOML.
fn check(data: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(data).ok()?;
    let format = if text.trim_start().starts_with('{') { Format::Json } else { Format::Toml };
    let (found, config) = read(text, format);
    check_problems(text, &found);
    if let Some(config) = &config {
        check_indices(config);
        check_routes(config);
    }
    if format == Format::Toml {
        let table: toml::Table = text.parse().ok()?;
        let json = serde_json::to_string(&table)
            .ok()
            .filter(|json| is_json(&toml::Value::Table(table)) && json.len() < 100_000)?;
        let (in_json, same) = read(&json, Format::Json);
        let told = |problems: &[Problem]| {
            let mut told: Vec<_> =
                problems.iter().map(|problem| (problem.key.clone(), problem.message.clone())).collect();
            told.sort();
            told
        };
        assert_eq!(told(&found), told(&in_json), "{json}");
        // Where it stands is not printed.
        assert_eq!(format!("{config:?}"), format!("{same:?}"), "{json}");
    }
    Some(())
}

fn read(text: &str, format: Format) -> (Vec<Problem>, Option<Config>) {
    let draft = match config::from_text(text, format, Path::new("/etc/sluice"), "file", &BUILT_IN) {
        Ok(draft) => draft,
        Err(problems) => return (problems.0, None),
    };
    let found: Vec<Problem> = draft.problems().collect();
    match draft.finish() {
        Ok(config) => {
            assert!(found.is_empty());
            (found, Some(config))
        }
        Err(problems) => {
            let told = problems.to_string();
            assert_eq!(told.lines().count(), problems.0.len(), "a line for each: {told:?}");
            (problems.0, None)
        }
    }
}

/// TOML has dates, and numbers that JSON has not.
fn is_json(value: &toml::Value) -> bool {
    match value {
        toml::Value::Datetime(_) => false,
        toml::Value::Float(number) => number.is_finite(),
        toml::Value::Array(values) => values.iter().all(is_json),
        toml::Value::Table(table) => table.values().all(is_json),
        _ => true,
    }
}

fn check_problems(text: &str, problems: &[Problem]) {
    let lines = text.split('\n').count() - usize::from(PLANTED && text.ends_with("\n["));
    for problem in problems {
        assert!(problem.line <= lines, "line {} of {lines}: {problem}", problem.line);
        let said = problem.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
        assert!(!problem.message.is_empty());
    }
}

/// Every position is one of something.
fn check_indices(config: &Config) {
    assert!(!config.listeners.is_empty() && (1..=256).contains(&config.workers));
    let (uses, upstreams) = (config.uses.len(), config.upstreams.len());
    for one in &config.uses {
        assert!(one.plugin < config.plugins.len());
        assert!(one.upstream.iter().chain(&one.upstreams).all(|upstream| *upstream < upstreams));
        assert!(
            serde_json::from_str::<serde_json::Value>(&one.config).is_ok_and(|config| config.is_object()),
            "{}",
            one.config
        );
    }
    for (index, route) in config.routes.iter().enumerate() {
        assert!(
            route.upstream < upstreams && route.upstreams.first() == Some(&route.upstream) || route.routing.is_empty()
        );
        assert!(route.upstream < upstreams && route.upstreams.iter().all(|upstream| *upstream < upstreams));
        assert!(route.routing.iter().chain(&route.response).all(|place| *place < uses));
        assert!(config.routes[..index].iter().all(|other| other.name != route.name), "{}", route.name);
        assert!(route.strip_prefix.as_ref().is_none_or(|prefix| prefix.starts_with('/') && !prefix.ends_with('/')));
    }
    for (index, upstream) in config.upstreams.iter().enumerate() {
        assert!(upstream.selection.iter().all(|place| *place < uses));
        assert!(config.upstreams[..index].iter().all(|other| other.name != upstream.name));
        for (index, endpoint) in upstream.endpoints.iter().enumerate() {
            assert!((1..=1_000).contains(&endpoint.weight));
            assert!(upstream.endpoints[..index].iter().all(|other| other.id != endpoint.id), "{}", endpoint.id);
        }
    }
    assert!(config.timeouts.drain_streams >= config.timeouts.drain);
}

/// Each route is found by a request that fits it, or a better one is; and so for requests that hardly fit.
fn check_routes(config: &Config) {
    let table = Table::new(&config.routes);
    let default = Matcher::default();
    for matcher in config.routes.iter().map(|route| &route.matcher).chain([&default]).take(20) {
        for (host, path) in hosts(matcher).into_iter().flat_map(|host| paths(matcher).map(|path| (host.clone(), path)))
        {
            let Some(head) = head(&host, &path, matcher) else { continue };
            let expected = best(config, &head);
            assert_eq!(table.find(&head), expected, "{host} {path}");
        }
    }
}

fn hosts(matcher: &Matcher) -> Vec<String> {
    let mut hosts = vec!["other.invalid".to_owned()];
    for pattern in matcher.hosts.iter().take(4) {
        match pattern {
            HostPattern::Exact(host) => hosts.extend([host.clone(), format!("{host}."), format!("x.{host}")]),
            HostPattern::Suffix(suffix) => hosts.extend([format!("a.b{suffix}"), suffix[1..].to_owned()]),
        }
    }
    hosts
}

fn paths(matcher: &Matcher) -> [String; 4] {
    let path = match &matcher.path {
        PathPattern::Any => "/",
        PathPattern::Exact(path) | PathPattern::Prefix(path) => path,
    };
    [path.to_owned(), format!("{path}/"), format!("{path}/x"), format!("{path}x")]
}

fn head(host: &str, path: &str, matcher: &Matcher) -> Option<RequestHead> {
    let mut headers = HeaderMap::new();
    for (name, value) in &matcher.headers {
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    Some(RequestHead {
        method: matcher.methods.first().map_or(Ok(Method::GET), |method| method.parse()).ok()?,
        version: Version::HTTP_11,
        scheme: Scheme::Http,
        authority: host.parse().ok()?,
        target: target::parse(path).ok()?,
        headers,
        client: [192, 0, 2, 1].into(),
        server_name: None,
        prefix: BodyPrefix::default(),
    })
}

/// The route with the most specific host, path, methods, headers, place: what the documentation says, over all of them.
fn best(config: &Config, head: &RequestHead) -> Option<usize> {
    let host = head.authority.host();
    let host = host.strip_suffix('.').unwrap_or(host);
    let path = head.target.path();
    let fitting = config.routes.iter().enumerate().filter_map(|(index, route)| {
        let matcher = &route.matcher;
        let of_host = matcher.hosts.iter().filter_map(|pattern| match pattern {
            HostPattern::Exact(name) => (name == host).then_some(usize::MAX),
            HostPattern::Suffix(suffix) => {
                (host.len() > suffix.len() && host.ends_with(suffix.as_str())).then_some(suffix.len())
            }
        });
        let of_host = if matcher.hosts.is_empty() { Some(0) } else { of_host.max() }?;
        let normal = |path: &str| {
            if path.is_empty() {
                String::new()
            } else {
                target::parse(path).map_or(path.to_owned(), |normal| normal.path().to_owned())
            }
        };
        let of_path = match &matcher.path {
            PathPattern::Any => Some(0),
            PathPattern::Exact(exact) => (normal(exact) == path).then_some(usize::MAX),
            PathPattern::Prefix(prefix) => {
                let prefix = normal(prefix);
                let fits = path == prefix || path.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with('/'));
                fits.then_some(prefix.len() + 1)
            }
        }?;
        let fits_method =
            matcher.methods.is_empty() || matcher.methods.iter().any(|method| method == head.method.as_str());
        let has = |(name, value): (&String, &String)| {
            head.headers.get_all(name.as_str()).iter().any(|found| found.as_bytes() == value.as_bytes())
        };
        let fits = fits_method && matcher.headers.iter().all(has);
        fits.then_some((of_host, of_path, !matcher.methods.is_empty(), matcher.headers.len(), std::cmp::Reverse(index)))
    });
    fitting.max().map(|(.., index)| index.0)
}

fuzz_target!(|data: &[u8]| {
    let _ = check(data);
});
