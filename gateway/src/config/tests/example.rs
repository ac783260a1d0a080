//! The example that the documentation ships: it loads, it shows every key, and it says the same in JSON.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::*;

pub(super) const EXAMPLE: &str = include_str!("../../../../docs/sluice.example.toml");

/// A folder with every file that the example names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in [
        "keys/current",
        "keys/previous",
        "keys/admin",
        "keys/otlp",
        "keys/registry",
        "keys/consul",
        "certs/site.pem",
        "certs/site.key",
        "certs/clients.pem",
        "certs/internal.pem",
        "certs/gateway.pem",
        "certs/gateway.key",
        "plugins/prefix-affinity.wasm",
    ] {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    folder
}

#[test]
fn the_example_becomes_the_model() {
    let folder = folder();
    let config =
        from_text(EXAMPLE, Format::Toml, folder.path(), "sluice.toml", BUILT_IN).and_then(Draft::finish).unwrap();
    let in_folder = |path: &str| folder.path().join(path);
    let line = |text: &str| EXAMPLE.lines().position(|line| line.starts_with(text)).unwrap() + 1;
    let seconds = Duration::from_secs;

    assert_eq!((config.workers, config.zone.as_str(), config.hash_seed), (2, "a", 0));
    let sealing = SealingFiles { current: in_folder("keys/current"), previous: Some(in_folder("keys/previous")) };
    assert_eq!(config.sealing, Some(sealing));
    assert_eq!(config.log, Log { access: true, level: "info".to_owned() });
    let tls = Listener {
        address: "0.0.0.0:8443".parse().unwrap(),
        tls: Some(Tls {
            certificates: vec![CertificateFiles {
                certificate: in_folder("certs/site.pem"),
                key: in_folder("certs/site.key"),
            }],
            clients: Some(ClientCertificates {
                ca: in_folder("certs/clients.pem"),
                required: true,
                headers: vec![
                    ("client-cert".to_owned(), ClientFact::Certificate),
                    ("x-client".to_owned(), ClientFact::Subject),
                ],
            }),
        }),
        http1: true,
        h2: true,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        underscore_headers: UnderscoreHeaders::Drop,
        proxy_protocol: Some(vec!["10.1.0.0/16".parse().unwrap()]),
        redirect_to_https: None,
    };
    let plain = Listener {
        address: "127.0.0.1:8080".parse().unwrap(),
        tls: None,
        http1: true,
        h2: false,
        trusted_proxies: Vec::new(),
        underscore_headers: UnderscoreHeaders::Drop,
        proxy_protocol: None,
        redirect_to_https: None,
    };
    let redirect =
        Listener { address: "0.0.0.0:8081".parse().unwrap(), redirect_to_https: Some(8443), ..plain.clone() };
    assert_eq!(config.listeners, [tls, plain, redirect]);
    let admin = config.admin.as_ref().unwrap();
    assert_eq!(admin.address, "127.0.0.1:9901".parse().unwrap());
    assert!(admin.asks_who());
    assert_eq!(admin.record, Keeps::Steps);
    assert_eq!((admin.exchanges, &admin.explain_to[..]), (256, &["127.0.0.0/8".parse().unwrap()][..]));
    assert_eq!(admin.token_file, Some(in_folder("keys/admin")));
    let tls = admin.tls.as_ref().unwrap();
    assert_eq!(tls.certificates[0].key, in_folder("certs/gateway.key"));
    assert_eq!(
        tls.clients.as_ref().map(|clients| (&clients.ca, clients.required)),
        Some((&in_folder("certs/clients.pem"), true))
    );
    let traces = Traces {
        secure: true,
        authority: "collector.example.com:4318".to_owned(),
        address: "collector.example.com:4318".to_owned(),
        target: "/v1/traces".to_owned(),
        headers: vec![("x-team".to_owned(), "edge".to_owned())],
        header_files: vec![("authorization".to_owned(), in_folder("keys/otlp"))],
        ca: Some(in_folder("certs/internal.pem")),
        sample_per_mille: 10,
        parent: TraceParent::Trusted,
        service_name: "sluice".to_owned(),
        resource: vec![("deployment.environment.name".to_owned(), "production".to_owned())],
        queue: 4096,
        interval: seconds(1),
        timeout: seconds(10),
    };
    assert_eq!(config.traces, Some(traces));
    let timeouts = Timeouts {
        handshake: seconds(10),
        request_header: seconds(10),
        client_idle: seconds(60),
        upstream_idle: seconds(4),
        connect: seconds(3),
        response_header: seconds(30),
        total: seconds(60),
        stream_idle: seconds(300),
        send_stall: seconds(30),
        drain: seconds(30),
        drain_streams: seconds(3600),
    };
    assert_eq!(config.timeouts, timeouts);
    assert_eq!(config.limits, Limits::BY_DEFAULT);

    let limits = PluginLimits {
        memory: 64 << 20,
        deadline: Duration::from_millis(5),
        worker_share_per_mille: 200,
        host_call: 1 << 20,
        output: 16 << 10,
    };
    let built_in = |name: &'static str| Plugin {
        name: name.to_owned(),
        source: PluginSource::BuiltIn(name),
        limits: limits.clone(),
        slots: None,
        place: None,
    };
    let path = in_folder("plugins/prefix-affinity.wasm");
    let own = Plugin {
        name: "prefix-affinity".to_owned(),
        source: PluginSource::File { path, sha256: None },
        limits: limits.clone(),
        slots: None,
        place: Some(KeyPath::root().key("plugin").index(0)),
    };
    let plugins = ["traffic-split", "headers", "sticky-session", "least-connections"].map(built_in);
    assert_eq!(config.plugins[..4], plugins);
    assert_eq!(config.plugins[4..], [own, built_in("consistent-hash")]);

    let used = |name: &str, plugin, text: &str, pointer: &str, upstream| Use {
        name: name.into(),
        plugin,
        config: text.to_owned(),
        place: config.places.below(&KeyPath::root(), pointer).0,
        on_error: None,
        upstream,
        upstreams: Vec::new(),
    };
    let split = r#"{"header":"x-canary","shares":{"app":95,"app-next":5}}"#;
    let sticky = r#"{"cookie":"sluice","ttl":"1h"}"#;
    let uses = [
        Use { upstreams: vec![0, 1], ..used("app/routing/traffic-split", 0, split, "/route/0/routing/0", None) },
        Use { on_error: Some(OnError::Fail), ..used("secure", 1, r#"{"preset":"secure"}"#, "/use/0", None) },
        used("app/selection/sticky-session", 2, sticky, "/upstream/0/selection/0", Some(0)),
        used("app/selection/least-connections", 3, "{}", "/upstream/0/selection/1", Some(0)),
        used("app-next/selection/prefix-affinity", 4, "{}", "/upstream/1/selection/0", Some(1)),
        used("app-next/selection/ip-hash", 5, r#"{"key":["client-ip"]}"#, "/upstream/1/selection/1", Some(1)),
    ];
    assert_eq!(config.uses, uses);
    let texts = ["routing =", "[[use]]", "selection = [{", "selection = [{", "selection = [\"p", "selection = [\"p"];
    let places = config.uses.iter().map(|used| config.places.problem(&used.place, "").line);
    assert_eq!(places.collect::<Vec<_>>(), texts.map(line));

    let host = "app.example.com".to_owned();
    let app = Route {
        name: "app".into(),
        matcher: Matcher {
            hosts: vec![HostPattern::Exact(host.clone()), HostPattern::Suffix(format!(".{host}"))],
            path: PathPattern::Prefix("/api".to_owned()),
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            headers: [("x-tier".to_owned(), "gold".to_owned())].into(),
        },
        routing: vec![0],
        upstream: 0,
        upstreams: vec![0, 1],
        strip_prefix: Some("/api".to_owned()),
        response: vec![1],
        upgrades: vec!["websocket".to_owned()],
        retry: Retry {
            extra_attempts: 1,
            on_unsent: true,
            on_reset: true,
            on_timeout: true,
            on_status: vec![502, 503],
            budget_per_mille: 200,
            per_try: Some(seconds(5)),
            body: 64 << 10,
        },
        limits: RouteLimits {
            body: Some(10 << 20),
            rate: Some(Rate { interval: Duration::from_millis(10), burst: 200, key: RateKey::Client }),
        },
        via: true,
        timeouts: Timeouts {
            connect: seconds(1),
            response_header: seconds(5),
            total: seconds(10),
            stream_idle: seconds(3600),
            ..timeouts.clone()
        },
    };
    let rest = Route {
        name: "rest".into(),
        matcher: Matcher::default(),
        routing: Vec::new(),
        upstream: 1,
        upstreams: vec![1],
        strip_prefix: None,
        response: vec![1],
        upgrades: vec!["websocket".to_owned()],
        retry: Retry { on_timeout: false, on_status: Vec::new(), per_try: None, ..app.retry.clone() },
        limits: RouteLimits::default(),
        via: false,
        timeouts,
    };
    assert_eq!(config.routes, [app, rest]);

    let plain = |id: &str, address: &str| Endpoint {
        id: id.into(),
        address: address.into(),
        weight: 1,
        priority: 0,
        zone: String::new(),
        labels: Default::default(),
        max_in_flight: None,
        draining: false,
    };
    let checks = Health {
        check: Check::Grpc { service: "shop.Cart".to_owned(), host: None },
        port: None,
        interval: seconds(2),
        jitter_per_mille: 100,
        timeout: seconds(1),
        healthy_after: 2,
        unhealthy_after: 3,
    };
    let ejection = Ejection {
        consecutive_failures: 5,
        consecutive_errors: 0,
        error_status: Statuses(vec![500..=599]),
        success_rate: None,
        period: seconds(10),
        longest: seconds(300),
        at_most_per_mille: 500,
    };
    let app = Upstream {
        name: "app".into(),
        selection: vec![2, 3],
        protocol: UpstreamProtocol::Http1,
        tls: None,
        send_proxy_protocol: false,
        endpoints: vec![
            Endpoint { weight: 2, zone: "a".to_owned(), ..plain("app-1", "10.0.0.1:8080") },
            Endpoint {
                priority: 1,
                zone: "b".to_owned(),
                labels: [("gpu".to_owned(), "h200".to_owned())].into(),
                max_in_flight: Some(100),
                draining: true,
                ..plain("10.0.0.2:8080", "10.0.0.2:8080")
            },
        ],
        discover: None,
        idle_per_endpoint: 32,
        max_in_flight: Some(1_000),
        queue: Some(Queue { length: 100, timeout: seconds(1) }),
        health: Some(Arc::new(Health {
            check: Check::Http(HttpCheck {
                path: "/healthz".to_owned(),
                host: Some("app.internal".to_owned()),
                status: Statuses(vec![200..=299]),
                body: Some("ok".to_owned()),
            }),
            port: Some(9000),
            ..checks.clone()
        })),
        reported_load: Some(ReportedLoad::Header(Arc::new(ReportFields {
            pass_on: false,
            named: [Arc::from("queue")].into(),
            expire: seconds(180),
        }))),
        ejection: Ejection {
            success_rate: Some(SuccessRate {
                interval: seconds(10),
                endpoints: 5,
                requests: 100,
                deviations_per_mille: 1900,
            }),
            ..ejection.clone()
        },
        slow_start: Some(seconds(30)),
        when_all_bad: WhenAllBad::UseAll,
    };
    let next = Upstream {
        name: "app-next".into(),
        selection: vec![4, 5],
        protocol: UpstreamProtocol::H2,
        tls: Some(UpstreamTls {
            server_name: Some("app.internal".to_owned()),
            ca: Some(in_folder("certs/internal.pem")),
            own: Some(CertificateFiles {
                certificate: in_folder("certs/gateway.pem"),
                key: in_folder("certs/gateway.key"),
            }),
        }),
        send_proxy_protocol: true,
        endpoints: vec![plain("10.0.1.1:8080", "10.0.1.1:8080")],
        max_in_flight: None,
        queue: None,
        health: Some(Arc::new(checks)),
        reported_load: Some(ReportedLoad::Scrape(Arc::new(scrape()))),
        ejection,
        slow_start: None,
        ..app.clone()
    };
    let search = Upstream {
        name: "search".into(),
        selection: Vec::new(),
        endpoints: Vec::new(),
        discover: Some(Arc::new(Discover {
            source: Finder::File(in_folder("endpoints/search.toml")),
            wait: seconds(5),
        })),
        protocol: UpstreamProtocol::Http1,
        tls: None,
        send_proxy_protocol: false,
        health: None,
        reported_load: None,
        ..next.clone()
    };
    let found_by = |name: &str, source| Upstream {
        name: name.into(),
        discover: Some(Arc::new(Discover { source, wait: seconds(5) })),
        ..search.clone()
    };
    let dns = found_by(
        "found-by-dns",
        Finder::Dns(Dns {
            name: "_http._tcp.app.internal.".to_owned(),
            port: None,
            servers: vec!["10.0.0.2:53".parse().unwrap()],
            families: Families::Any,
            least_ttl: seconds(1),
            most_ttl: seconds(300),
        }),
    );
    let http = found_by(
        "found-by-http",
        Finder::Http(Http {
            service: Service {
                address: "registry.internal:443".to_owned(),
                host: "registry.internal".to_owned(),
                tls: Some(UpstreamTls {
                    server_name: Some("registry.internal".to_owned()),
                    ..next.tls.clone().unwrap()
                }),
                token_file: Some(in_folder("keys/registry")),
            },
            path: "/lists/app".to_owned(),
            interval: seconds(10),
            timeout: seconds(5),
        }),
    );
    let consul = found_by(
        "found-by-consul",
        Finder::Consul(Consul {
            service: Service {
                address: "127.0.0.1:8500".to_owned(),
                host: "127.0.0.1:8500".to_owned(),
                tls: None,
                token_file: Some(in_folder("keys/consul")),
            },
            name: "app".to_owned(),
            tags: vec!["v2".to_owned()],
            datacenter: Some("dc1".to_owned()),
            consistency: Consistency::Stale,
        }),
    );
    assert_eq!(config.upstreams, [app, next, search, dns, http, consul]);
}

/// That of the second upstream.
fn scrape() -> Scrape {
    let figures = [
        ("cpu_utilization", "rate(process_cpu_seconds_total) / 4"),
        ("mem_utilization", "used_bytes / all_bytes"),
        ("application_utilization", "busy{pool=\"a\"}"),
        ("rps_fractional", "rate(http_requests_total)"),
        ("eps", "rate(http_requests_total{code=\"500\"})"),
        ("named_metrics.queue", "queue_length"),
    ];
    Scrape {
        path: "/metrics".to_owned(),
        host: Some("app.internal".to_owned()),
        port: Some(9100),
        interval: Duration::from_secs(5),
        jitter_per_mille: 100,
        timeout: Duration::from_secs(1),
        size: 1 << 20,
        figures: figures.map(|(name, text)| (name.to_owned(), text.parse().unwrap())).into(),
        named: [Arc::from("queue")].into(),
        expire: Duration::from_secs(180),
    }
}

#[test]
fn the_example_shows_every_key() {
    fn unseen(schema: &serde_json::Value, path: &str, missing: &mut Vec<String>) {
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            if !EXAMPLE.contains(key.as_str()) && key != "$schema" {
                missing.push(format!("{path}.{key}"));
            }
            unseen(schema, &format!("{path}.{key}"), missing);
            unseen(&schema["items"], &format!("{path}.{key}"), missing);
        }
    }
    let mut missing = Vec::new();
    unseen(&schema(), "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn json_is_the_same_as_toml() {
    let folder = folder();
    let value: serde_json::Value = toml::from_str(EXAMPLE).unwrap();
    let path = folder.path().join("sluice.json");
    fs::write(&path, serde_json::to_string_pretty(&value).unwrap()).unwrap();
    let from_json = load(&path, BUILT_IN).unwrap();
    let mut from_toml =
        from_text(EXAMPLE, Format::Toml, folder.path(), "sluice.toml", BUILT_IN).and_then(Draft::finish).unwrap();
    from_toml.places = from_json.places.clone();
    assert_eq!(format!("{from_json:#?}"), format!("{from_toml:#?}"));
}

#[test]
fn every_key_is_described_and_none_takes_null() {
    fn look(schema: &serde_json::Value, path: &str) {
        assert!(!schema.to_string().contains("null") || schema.is_null(), "{path}");
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{path}.{key}");
            look(schema, &format!("{path}.{key}"));
            look(&schema["items"], &format!("{path}.{key}"));
        }
    }
    look(&schema(), "");
    assert_eq!(schema()["properties"]["timeouts"]["properties"]["handshake"]["default"], "10s");
}
