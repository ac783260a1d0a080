//! The configuration is read again while traffic flows: what has not changed stays, what is bad changes nothing and is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, component, eventually};

const RELOADS: usize = 200;

/// One way to write the same site: every part that may change does so now and then, but for what must stay.
fn variant(base: &Configuration, number: usize) -> String {
    let mut configuration = base.clone();
    if number % 2 == 1 {
        configuration = configuration.endpoint(0, "labels = { odd = \"yes\" }");
    }
    if number % 3 == 1 {
        configuration =
            configuration.tables("[[route]]\nname = \"more\"\nmatch = { path = \"/more\" }\nupstream = \"app\"\n");
    }
    if number % 5 == 2 {
        configuration = configuration.tables("[[listener]]\naddress = \"127.0.0.1:0\"\n");
    }
    let secure = ["set = { x-variant = \"a\" }", "set = { x-variant = \"b\" }"][number / 2 % 2];
    configuration.response(&format!(r#"[{{ plugin = "headers", config = {{ {secure} }} }}]"#)).text()
}

/// What is wrong in different rooms of the house.
fn bad(base: &Configuration, number: usize) -> String {
    match number % 5 {
        0 => format!("{}\nno toml", base.text()),
        1 => base.clone().top("zonee = \"a\"").text(),
        2 => base.clone().selection(r#"[{ plugin = "sticky-session", config = { ttl = "soon" } }]"#).text(),
        3 => base.text().replace("site.pem", "nowhere.pem"),
        _ => base.clone().selection(r#"["headers"]"#).text(),
    }
}

/// What clients hold on to during all reloads, checked with every answer.
struct Session {
    client: Client,
    cookie: String,
    home: String,
}

impl Session {
    async fn begin(gateway: &Gateway, number: usize) -> Self {
        let mut client = if number.is_multiple_of(2) { Client::h1(gateway).await } else { Client::h2(gateway).await };
        let (ask, learned) = match number % 4 {
            0 | 1 => (Ask::get("/"), None),
            _ => {
                let id = format!("JSESSIONID=s{number}");
                (Ask::get("/table").header("x-answer-with", &format!("set-cookie: {id}; Path=/")), Some(id))
            }
        };
        let first = client.ask(ask).await;
        let set = first.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { client, cookie: learned.unwrap_or(set), home: first.origin().to_owned() }
    }

    /// Goes on over the same connection until it is told to stop; gives how many requests that were.
    async fn go_on(mut self, number: usize, stop: Arc<AtomicBool>) -> usize {
        let path = if number % 4 < 2 { "/" } else { "/table" };
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let answer = self.client.ask(Ask::get(path).header("cookie", &self.cookie)).await;
            assert_eq!((answer.status.as_u16(), answer.origin()), (200, &*self.home), "request {count} of {number}");
            assert_eq!(answer.header("set-cookie"), "", "the session began anew");
            assert!(["a", "b"].contains(&answer.header("x-variant")));
            count += 1;
        }
        count
    }
}

/// G5.
#[tokio::test]
async fn two_hundred_reloads_under_load_lose_nothing() {
    let origins: [Origin; 3] = Origin::several().await;
    let endpoints: Vec<String> =
        origins.iter().map(|o| format!("{{ id = \"{}\", address = \"{}\" }}", o.name, o.address)).collect();
    let upstream = |name: &str, selection: &str| {
        format!(
            "[[upstream]]\nname = \"{name}\"\nselection = {selection}\nendpoints = [{}]\n\
             [[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"{name}\"\n\
             response = [{{ plugin = \"headers\", config = {{ set = {{ x-variant = \"a\" }} }} }}]\n",
            endpoints.join(", ")
        )
    };
    let base = Configuration::of(&origins.each_ref())
        .selection(r#"["sticky-session", "round-robin"]"#)
        .tables(&upstream("table", r#"["session-table", "round-robin"]"#))
        .tables(&upstream("turns", r#"["round-robin"]"#));
    let gateway = Arc::new(
        Gateway::start(&base.clone().response(r#"[{ plugin = "headers", config = { set = { x-variant = "a" } } }]"#))
            .await,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let mut sessions = JoinSet::new();
    for number in 0..8 {
        let session = Session::begin(&gateway, number).await;
        sessions.spawn(session.go_on(number, stop.clone()));
    }
    // The cursor of an upstream that nobody else uses: one step with each request, whatever happens in between.
    let mut taker = Client::h1(&gateway).await;
    let mut turn = async || taker.get("/turns").await.origin().to_owned();
    let order = [turn().await, turn().await, turn().await];
    for number in 0..RELOADS {
        if number % 4 == 3 {
            assert!(!gateway.refused_reload(&bad(&base, number / 4)).await[0].text("reason").is_empty());
        } else {
            gateway.reload(&variant(&base, number)).await;
        }
        assert_eq!(turn().await, order[number % 3], "the cursor was lost at reload {number}");
    }
    stop.store(true, Ordering::Relaxed);
    let asked: usize = sessions.join_all().await.into_iter().sum();
    assert!(asked >= RELOADS, "only {asked} requests during {RELOADS} reloads");
    // A file that was seen by itself before the signal came is read twice.
    assert!(gateway.log.filter("reload", |_| true).len() >= RELOADS / 4 * 3);
}

#[tokio::test]
async fn a_bad_configuration_changes_nothing_and_says_why() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&base).await;
    let mut client = Client::h2(&gateway).await;
    let address = origin.address;
    let cases = [
        ("workers = \"many\"", "workers", 1),
        ("[[listener]]\naddress = \"nowhere\"", "listener[2].address", 0),
        (&format!("[[listener]]\naddress = \"{address}\""), "listener[2].address", 0),
        ("[secrets]\nsealing = { current-file = \"site.key.none\" }", "secrets.sealing.current-file", 0),
        ("[secrets]\nsealing = { current-file = \"short\" }", "secrets.sealing.current-file", 0),
        ("[[use]]\nname = \"u\"\nplugin = \"headerz\"", "use[0].plugin", 0),
        ("[[route]]\nname = \"r\"\nmatch = { path = \"/r\" }\nupstream = \"ap\"", "route[0].upstream", 0),
    ];
    gateway.put("short", "too short");
    for (lines, key, top) in cases {
        let configuration =
            if top == 1 { base.text().replace("workers = 2", lines) } else { base.clone().tables(lines).text() };
        let refused = gateway.refused_reload(&configuration).await;
        assert_eq!(refused[0].text("key"), key, "{refused:?}");
        assert!(refused[0].number("line") > 0 && refused[0].text("file").ends_with("sluice.toml"), "{refused:?}");
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(gateway.log.filter("reload", |_| true), []);
    // And a good one afterwards is served.
    gateway
        .reload(&base.clone().route("rewrite = { strip-prefix = \"/x\" }\nmatch = { path = \"/x/*\" }").text())
        .await;
    assert_eq!(client.get("/").await.status, 404);
}

#[tokio::test]
async fn listeners_come_and_go_and_the_others_keep_their_connections() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&base).await;
    let mut kept = Client::h1(&gateway).await;
    assert_eq!(kept.get("/").await.status, 200);

    let more = base.clone().tables("[[listener]]\naddress = \"127.0.0.2:0\"\n").text();
    let event = gateway.reload(&more).await;
    assert_eq!((event.number("listeners_opened"), event.number("listeners_closed")), (1, 0));
    let event = gateway.log.wait_for("listening", |event| event.number("listener") == 2).await;
    let added: std::net::SocketAddr = event.text("address").parse().unwrap();
    let mut guest = Raw::to(added).await;
    guest.say("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    assert!(guest.hear_until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));

    let event = gateway.reload(&base.text()).await;
    assert_eq!((event.number("listeners_opened"), event.number("listeners_closed")), (0, 1));
    // Its connections are drained, and nobody listens any more.
    guest.hear_all().await;
    eventually("a closed port", async || tokio::net::TcpStream::connect(added).await.is_err().then_some(())).await;
    assert_eq!(kept.get("/").await.status, 200);
}

#[tokio::test]
async fn what_is_known_of_endpoints_outlives_a_reload() {
    let [dead, alive] = Origin::several().await;
    let base = Configuration::of(&[&dead, &alive]).upstream("ejection = { consecutive-failures = 1, for = \"5m\" }");
    let gateway = Gateway::start(&base).await;
    let mut client = Client::h1(&gateway).await;
    dead.die().await;
    gateway.log.wait_for("listening", |_| true).await;
    eventually("the ejection", async || {
        client.get("/").await;
        gateway.log.filter("ejected", |_| true).pop()
    })
    .await;
    let attempts = |path: &str| {
        let path = path.to_owned();
        move |event: &crate::harness::Event| event.text("path") == path
    };
    for (number, configuration) in
        [base.clone().endpoint(0, "weight = 7"), base.clone().endpoint(1, "zone = \"b\""), base].into_iter().enumerate()
    {
        gateway.reload(&configuration.text()).await;
        let path = format!("/after-{number}");
        for _ in 0..4 {
            assert_eq!(client.get(&path).await.status, 200);
        }
        let lines = gateway.log.wait_for_all("exchange", 4, attempts(&path)).await;
        assert!(lines.iter().all(|line| line.number("attempts") == 1), "a dead endpoint was tried again: {lines:?}");
    }
}

#[tokio::test]
async fn a_reload_keeps_the_version_of_a_plugin_that_is_live() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]).plugin("stamp", component("stamp_v1")).routing(r#"["stamp"]"#);
    let gateway = Gateway::start(&base).await;
    gateway.swap("stamp", &component("stamp_v2"), &["all/routing/stamp"]).await;
    // A bad file is not taken, and a reload does not stumble over it.
    gateway.refused_swap("stamp", b"nothing").await;
    let event = gateway.reload(&base.clone().route("timeouts = { connect = \"1s\" }").text()).await;
    assert_eq!((event.number("uses"), event.number("uses_kept")), (2, 2), "{event:?}");
    let mut client = Client::h2(&gateway).await;
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v2");
    // A plugin whose entry changes is loaded from its file.
    gateway.save("stamp", &component("stamp_v2"));
    let limited = Configuration::of(&[&origin]).routing(r#"["stamp"]"#);
    let limited = limited.plugin_with("stamp", component("stamp_v2"), "limits = { memory = \"32MiB\" }");
    gateway.reload(&limited.text()).await;
    assert_eq!(client.get("/").await.seen_field("x-routed-by"), "v2");
}

#[tokio::test]
async fn what_lasts_until_the_next_start_is_said() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&base).await;
    gateway.reload(&base.clone().workers(4).text()).await;
    gateway.log.wait_for("this change takes effect at the next start", |event| event.text("key") == "workers").await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_saved_configuration_is_served_without_a_signal() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&base).await;
    gateway.put("sluice.toml", base.clone().route("match = { path = \"/only\" }").text());
    gateway.log.wait_for("reload", |_| true).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!((client.get("/only").await.status.as_u16(), client.get("/").await.status.as_u16()), (200, 404));
}

#[tokio::test]
async fn a_refused_configuration_is_taken_when_what_was_missing_comes() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]);
    let gateway = Gateway::start(&base).await;
    let missing = base.clone().tables("[[plugin]]\nname = \"late\"\npath = \"late.wasm\"\n");
    let missing = missing.routing(r#"["late"]"#).text();
    assert_eq!(gateway.refused_reload(&missing).await[0].text("key"), "plugin[0].path");
    gateway.put("late.wasm", component("stamp_v1"));
    gateway.log.wait_for("reload", |_| true).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.seen_field("x-routed-by"), "v1");
}

#[tokio::test]
async fn a_plugin_and_its_configuration_change_together() {
    let origin = Origin::start("a").await;
    let chain = |config: &str| format!(r#"[{{ plugin = "mine", config = {config} }}]"#);
    let base = Configuration::of(&[&origin]).plugin("mine", component("stamp_v1"));
    let gateway = Gateway::start(&base.clone().response(r#"["mine"]"#)).await;
    // The new version does not take the old configuration, and the old version not the new one.
    let reason = gateway.refused_swap("mine", &component("writes")).await;
    assert!(reason.contains("header"), "{reason}");
    gateway.reload(&base.response(&chain("{ header = 7, line = 1 }")).text()).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.header("x-long"), "xxxxxxx");
}
