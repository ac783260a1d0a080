//! Which route a request takes: by host, path, method and headers. Pure; the table is built once from the configuration
//! and only read afterwards. What happens on a route is `proxy`'s.
//!
//! Of all routes that fit, the most specific one wins. Compared in this order:
//! 1. an exact host, then the longest wildcard, then no host;
//! 2. an exact path, then the longest prefix, then no path;
//! 3. a list of methods, then none;
//! 4. more headers;
//! 5. the place in the file.
//!
//! A host takes a request only if one of its routes fits: otherwise the next less specific host is asked, down to the routes
//! without host. So `app.example.com` with the one path `/api/*` leaves `/` to `*.example.com`.

use std::cmp::Reverse;
use std::collections::HashMap;

use http::header::{HeaderName, HeaderValue};

use crate::config::model::{HostPattern, Matcher, PathPattern, Route, RouteIndex};
use crate::message::{RequestHead, target};

/// The routes of a configuration, ready to be asked. A look-up allocates nothing and takes a time that depends on how many
/// lengths of wildcards and prefixes there are, not on how many routes.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<Box<str>, Paths>,
    wildcards: Suffixes,
    any: Paths,
    /// By route index: what has to be true besides host and path.
    conditions: Vec<Conditions>,
}

/// Wildcard hosts, kept as `.example.com`.
#[derive(Debug, Default)]
struct Suffixes {
    /// The lengths that occur, longest first.
    lengths: Vec<usize>,
    paths: HashMap<Box<str>, Paths>,
}

/// The routes of one host pattern by path. Each list is in order of preference.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Vec<RouteIndex>>,
    /// The lengths of prefixes that occur, longest first.
    lengths: Vec<usize>,
    prefixes: HashMap<Box<str>, Vec<RouteIndex>>,
    any: Vec<RouteIndex>,
}

#[derive(Debug)]
struct Conditions {
    methods: Box<[Box<str>]>,
    headers: Box<[(HeaderName, HeaderValue)]>,
    /// A header that no request can have.
    never: bool,
}

impl Table {
    /// Builds the table. The index of a route is its place in `routes`.
    pub fn new(routes: &[Route]) -> Table {
        let mut table = Table {
            conditions: routes.iter().map(|route| Conditions::new(&route.matcher)).collect(),
            ..Table::default()
        };
        // Lists of one host and path are filled in order of preference, so they need no sorting.
        let mut order: Vec<(RouteIndex, &Matcher)> = routes.iter().map(|route| &route.matcher).enumerate().collect();
        order.sort_by_key(|(index, matcher)| (matcher.methods.is_empty(), Reverse(matcher.headers.len()), *index));
        for (index, matcher) in order {
            if matcher.hosts.is_empty() {
                table.any.add(&matcher.path, index);
            }
            for host in &matcher.hosts {
                match host {
                    HostPattern::Exact(name) => table.exact.entry(name.as_str().into()).or_default(),
                    HostPattern::Suffix(suffix) => table.wildcards.paths.entry(suffix.as_str().into()).or_default(),
                }
                .add(&matcher.path, index);
            }
        }
        table.wildcards.lengths = lengths(table.wildcards.paths.keys());
        let all = table.exact.values_mut().chain(table.wildcards.paths.values_mut()).chain([&mut table.any]);
        for paths in all {
            paths.lengths = lengths(paths.prefixes.keys());
        }
        table
    }

    /// The route that a request takes; none if none fits.
    pub fn find(&self, head: &RequestHead) -> Option<RouteIndex> {
        let host = head.authority.host();
        // `example.com.` is the same name, written in full.
        let host = host.strip_suffix('.').unwrap_or(host);
        let path = head.target.path();
        let fits = |index: &RouteIndex| self.conditions.get(*index).is_some_and(|conditions| conditions.fit(head));

        self.exact
            .get(host)
            .and_then(|paths| paths.find(path, fits))
            .or_else(|| self.wildcards.matching(host).find_map(|paths| paths.find(path, fits)))
            .or_else(|| self.any.find(path, fits))
    }
}

impl Suffixes {
    /// The routes of the wildcards that fit, longest first.
    fn matching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Paths> {
        self.lengths.iter().filter_map(move |length| {
            // One byte or more has to be left before the dot.
            let start = host.len().checked_sub(*length).filter(|start| *start > 0)?;
            self.paths.get(host.get(start..)?)
        })
    }
}

impl Paths {
    fn add(&mut self, pattern: &PathPattern, index: RouteIndex) {
        let list = match pattern {
            PathPattern::Any => &mut self.any,
            PathPattern::Exact(path) => self.exact.entry(normal(path)).or_default(),
            PathPattern::Prefix(path) => self.prefixes.entry(normal(path)).or_default(),
        };
        // A route that names one host twice.
        if list.last() != Some(&index) {
            list.push(index);
        }
    }

    fn find(&self, path: &str, fits: impl Fn(&RouteIndex) -> bool) -> Option<RouteIndex> {
        let exact = self.exact.get(path).into_iter();
        let prefixes = self.lengths.iter().filter_map(|length| {
            // `/api` is a prefix of `/api` and `/api/x`, not of `/apix`.
            let ends = matches!(path.as_bytes().get(*length), None | Some(b'/'));
            self.prefixes.get(path.get(..*length).filter(|_| ends)?)
        });
        exact.chain(prefixes).chain([&self.any]).flatten().find(|index| fits(index)).copied()
    }
}

impl Conditions {
    fn new(matcher: &Matcher) -> Conditions {
        let mut headers = Vec::with_capacity(matcher.headers.len());
        let mut never = false;
        for (name, value) in &matcher.headers {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => never = true,
            }
        }
        let methods = matcher.methods.iter().map(|method| method.as_str().into()).collect();
        Conditions { methods, headers: headers.into(), never }
    }

    fn fit(&self, head: &RequestHead) -> bool {
        let method = head.method.as_str();
        !self.never
            && (self.methods.is_empty() || self.methods.iter().any(|allowed| **allowed == *method))
            && self.headers.iter().all(|(name, value)| head.headers.get_all(name).iter().any(|found| found == value))
    }
}

/// A pattern in the form that paths of requests have: `/a%2fb` is `/a%2Fb`. The prefix of all paths, `/*`, is empty.
fn normal(path: &str) -> Box<str> {
    match target::parse(path) {
        Ok(target) if path != "/" => target.path().into(),
        _ => path.into(),
    }
}

/// The lengths that occur, each once, longest first.
fn lengths<'a>(texts: impl Iterator<Item = &'a Box<str>>) -> Vec<usize> {
    let mut lengths: Vec<usize> = texts.map(|text| text.len()).collect();
    lengths.sort_unstable_by_key(|length| Reverse(*length));
    lengths.dedup();
    lengths
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::time::Duration;

    use http::uri::Authority;
    use http::{HeaderMap, Method, Version};

    use super::*;
    use crate::config::model::{Retry, RouteLimits, Timeouts};
    use crate::message::{BodyPrefix, Scheme};

    fn timeouts() -> Timeouts {
        let second = Duration::from_secs(1);
        Timeouts {
            handshake: second,
            request_header: second,
            client_idle: second,
            upstream_idle: second,
            connect: second,
            response_header: second,
            total: second,
            stream_idle: second,
            send_stall: second,
            drain: second,
            drain_streams: second,
        }
    }

    /// `GET,POST app.example.com,*.example.com /api/* x-tier=gold`; `-` for methods or hosts: all; `*` as path: any.
    fn matcher(text: &str) -> Matcher {
        let mut words = text.split_whitespace();
        let mut list =
            || words.next().expect("methods and hosts").split(',').filter(|word| *word != "-").map(str::to_owned);
        let methods = list().collect();
        let hosts = list()
            .map(|host| match host.strip_prefix('*') {
                Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
                None => HostPattern::Exact(host),
            })
            .collect();
        let path = match words.next().expect("a path") {
            "*" => PathPattern::Any,
            path => match path.strip_suffix("/*") {
                Some(prefix) => PathPattern::Prefix(prefix.to_owned()),
                None => PathPattern::Exact(path.to_owned()),
            },
        };
        let headers = words
            .map(|word| word.split_once('=').expect("name=value"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Matcher { hosts, path, methods, headers }
    }

    fn route(matcher: Matcher) -> Route {
        Route {
            name: Arc::from("route"),
            matcher,
            routing: Vec::new(),
            upstream: 0,
            upstreams: vec![0],
            strip_prefix: None,
            response: Vec::new(),
            upgrades: Vec::new(),
            retry: Retry::default(),
            limits: RouteLimits::default(),
            via: false,
            timeouts: timeouts(),
        }
    }

    fn table(routes: &[&str]) -> Table {
        Table::new(&routes.iter().map(|text| route(matcher(text))).collect::<Vec<_>>())
    }

    /// `GET app.example.com:80 /api?q x-tier=gold`.
    fn request(text: &str) -> RequestHead {
        let mut words = text.split_whitespace();
        let mut next = || words.next().expect("method, host, target");
        let method = Method::from_bytes(next().as_bytes()).expect("a method");
        let authority: Authority = next().parse().expect("an authority");
        let target = next().parse().expect("a target");
        let mut headers = HeaderMap::new();
        for (name, value) in words.map(|word| word.split_once('=').expect("name=value")) {
            headers.append(HeaderName::try_from(name).expect("a name"), HeaderValue::try_from(value).expect("a value"));
        }
        RequestHead {
            method,
            version: Version::HTTP_11,
            scheme: Scheme::Http,
            authority,
            target,
            headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            server_name: None,
            prefix: BodyPrefix::default(),
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let cases: &[(&[&str], &str, Option<usize>)] = &[
            (&[], "GET a /", None),
            (&["- - *"], "GET a /", Some(0)),
            // Hosts.
            (&["- - *", "- *.b.c *", "- a.b.c *", "- *.c *"], "GET a.b.c /", Some(2)),
            (&["- - *", "- *.b.c *", "- a.b.c *", "- *.c *"], "GET x.b.c /", Some(1)),
            (&["- - *", "- *.b.c *", "- a.b.c *", "- *.c *"], "GET x.y.b.c /", Some(1)),
            (&["- - *", "- *.b.c *", "- a.b.c *", "- *.c *"], "GET b.c /", Some(3)),
            (&["- - *", "- *.b.c *", "- a.b.c *", "- *.c *"], "GET c /", Some(0)),
            (&["- - *", "- *.b.c *", "- a.b.c *", "- *.c *"], "GET xb.c:8443 /", Some(3)),
            (&["- *.b.c *"], "GET b.c /", None),
            (&["- *.b.c *"], "GET ab.c /", None),
            (&["- a.b *"], "GET a.b:8443 /", Some(0)),
            (&["- a.b *"], "GET a.b. /", Some(0)),
            (&["- *.b *"], "GET a.b.:1 /", Some(0)),
            (&["- [::1] *"], "GET [::1]:80 /", Some(0)),
            (&["- x,a.b,y *"], "GET a.b /", Some(0)),
            (&["- a,a *"], "GET a /", Some(0)),
            // Paths.
            (&["- - *", "- - /a/*", "- - /a/b", "- - /a/b/*"], "GET h /a/b", Some(2)),
            (&["- - *", "- - /a/*", "- - /a/b", "- - /a/b/*"], "GET h /a/b/c?d", Some(3)),
            (&["- - *", "- - /a/*", "- - /a/b", "- - /a/b/*"], "GET h /a/bc", Some(1)),
            (&["- - *", "- - /a/*", "- - /a/b", "- - /a/b/*"], "GET h /ab", Some(0)),
            (&["- - /a/*"], "GET h /a", Some(0)),
            (&["- - /a/*"], "GET h /a/", Some(0)),
            (&["- - /a/*"], "GET h /a?x", Some(0)),
            (&["- - /a/*"], "GET h /ax", None),
            (&["- - /a/*"], "GET h /A", None),
            (&["- - /a"], "GET h /a/", None),
            (&["- - *", "- - /*"], "GET h /x", Some(1)),
            (&["- - /*"], "GET h /", Some(0)),
            (&["- - /"], "GET h /", Some(0)),
            (&["- - /"], "GET h /a", None),
            (&["- - /*"], "OPTIONS h *", None),
            (&["- - *"], "OPTIONS h *", Some(0)),
            (&["- - /a%2fb/*"], "GET h /a%2Fb/c", Some(0)),
            // A host before a path, and on to the next host where no route of the first fits.
            (&["- a.b /x/*", "- *.b /x/y"], "GET a.b /x/y", Some(0)),
            (&["- a.b /x/*", "- *.b *"], "GET a.b /z", Some(1)),
            (&["- a.b /x/*", "- - *"], "GET a.b /z", Some(1)),
            (&["- a.b /x", "- *.b /y", "- - /z"], "GET a.b /z", Some(2)),
            (&["POST a.b *", "GET *.b *"], "GET a.b /", Some(1)),
            // On to the next path, too.
            (&["POST - /x", "- - /x/*"], "GET h /x", Some(1)),
            (&["- - /x k=v", "- - *"], "GET h /x", Some(1)),
            // Methods, headers, file order.
            (&["- - *", "GET - *"], "GET h /", Some(1)),
            (&["- - *", "GET - *"], "get h /", Some(0)),
            (&["- - *", "GET,PUT - *"], "PUT h /", Some(1)),
            (&["- - * a=1", "- - * a=1 b=2"], "GET h / a=1 b=2", Some(1)),
            (&["- - * a=1 b=2", "GET - *"], "GET h / a=1 b=2", Some(1)),
            (&["GET - *", "GET - * a=1"], "GET h / a=1", Some(1)),
            (&["- - * a=1", "- - * b=2"], "GET h / a=1 b=2", Some(0)),
            (&["- - * a=1", "- - * b=2"], "GET h / b=2 b=3", Some(1)),
            (&["- - * a=3"], "GET h / a=1 a=3", Some(0)),
            (&["- - * a=1"], "GET h / a=11", None),
            (&["- - * a=1"], "GET h /", None),
        ];
        for (routes, text, expected) in cases {
            assert_eq!(table(routes).find(&request(text)), *expected, "{routes:?} {text}");
        }
    }

    #[test]
    fn a_header_that_no_request_can_have_never_fits() {
        let mut never = matcher("- - *");
        never.headers.insert("a b".to_owned(), "c".to_owned());
        assert_eq!(Table::new(&[route(never)]).find(&request("GET h /")), None);
    }

    /// The rule as it is told, one route after the other.
    fn slow(matchers: &[Matcher], head: &RequestHead) -> Option<usize> {
        let rank = |(index, matcher): (usize, &Matcher)| {
            let name = head.authority.host();
            let hosts = matcher.hosts.iter().filter_map(|host| match host {
                HostPattern::Exact(exact) => (exact == name).then_some(usize::MAX),
                HostPattern::Suffix(suffix) => {
                    (name.ends_with(suffix.as_str()) && name != suffix).then_some(suffix.len())
                }
            });
            let host = if matcher.hosts.is_empty() { Some(0) } else { hosts.max() };
            let path = match &matcher.path {
                PathPattern::Any => Some(0),
                PathPattern::Exact(exact) => (exact == head.target.path()).then_some(usize::MAX),
                PathPattern::Prefix(prefix) => {
                    let rest = head.target.path().strip_prefix(prefix.as_str());
                    rest.filter(|rest| rest.is_empty() || rest.starts_with('/')).map(|_| 1 + prefix.len())
                }
            };
            let method =
                matcher.methods.is_empty() || matcher.methods.iter().any(|method| method == head.method.as_str());
            let headers = matcher
                .headers
                .iter()
                .all(|(name, value)| head.headers.get_all(name).iter().any(|found| found == value.as_str()));
            let rank =
                (Reverse(host?), Reverse(path?), matcher.methods.is_empty(), Reverse(matcher.headers.len()), index);
            (method && headers).then_some(rank)
        };
        matchers.iter().enumerate().filter_map(rank).min().map(|rank| rank.4)
    }

    #[test]
    fn the_table_agrees_with_the_rule() {
        let mut random = fastrand::Rng::with_seed(7);
        let hosts = ["-", "a.b.c", "b.c", "*.b.c", "*.c", "x.c", "*.c,a.b.c", "*.a.b.c"];
        let paths = ["*", "/*", "/", "/a", "/a/*", "/a/b", "/a/b/*", "/ab/*", "//*"];
        let methods = ["-", "-", "GET", "POST", "GET,PUT"];
        let headers = ["", "", " k=1", " k=2", " k=1 l=1"];
        let asked_hosts = ["a.b.c", "b.c", "c", "x.c", "y.a.b.c", "z"];
        let asked_paths = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/ab/", "/abc", "//", "//a"];
        let asked_headers = ["", " k=1", " k=2 k=1", " l=1 k=1"];
        let mut pick = |from: &[&'static str]| *random.choice(from).expect("not empty");
        let mut found = 0;
        for _ in 0..4_000 {
            let count = pick(&["0", "1", "2", "4", "9"]).parse().expect("a number");
            let texts: Vec<String> = (0..count)
                .map(|_| format!("{} {} {}{}", pick(&methods), pick(&hosts), pick(&paths), pick(&headers)))
                .collect();
            let matchers: Vec<Matcher> = texts.iter().map(|text| matcher(text)).collect();
            let table = Table::new(&matchers.iter().cloned().map(route).collect::<Vec<_>>());
            for _ in 0..8 {
                let text = format!(
                    "{} {} {}{}",
                    pick(&["GET", "POST", "PUT"]),
                    pick(&asked_hosts),
                    pick(&asked_paths),
                    pick(&asked_headers)
                );
                let head = request(&text);
                let expected = slow(&matchers, &head);
                assert_eq!(table.find(&head), expected, "{text} in {texts:#?}");
                found += usize::from(expected.is_some());
            }
        }
        assert!(found > 5_000, "{found} look-ups found something");
    }

    #[test]
    fn a_hundred_thousand_routes_are_looked_up_one_by_one() {
        let routes: Vec<Route> =
            (0..100_000).map(|n| route(matcher(&format!("- h{}.example /p{n}/*", n % 1_000)))).collect();
        let table = Table::new(&routes);
        for n in [0, 999, 54_321, 99_999] {
            let head = request(&format!("GET h{}.example /p{n}/x", n % 1_000));
            assert_eq!(table.find(&head), Some(n));
        }
        // Hosts and paths made to be slow.
        let head = request(&format!("GET {}example {}", "a.".repeat(120), "/a".repeat(4_000)));
        assert_eq!(table.find(&head), None);
    }
}
