//! A configuration file in the making: two workers, a TLS listener and a plain one, one route `all` to one upstream
//! `app` whose endpoints are the origins. A test changes what it is about, in the file's own words.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::certificates;
use super::origin::Origin;

/// The name that the default certificate is for, and that requests ask for if they say nothing else.
pub const HOST: &str = "app.test";
/// The name that the second certificate is for.
pub const OTHER_HOST: &str = "second.example";

/// A configuration file in the making.
#[derive(Clone, Default)]
pub struct Configuration {
    workers: usize,
    top: String,
    listener: [String; 2],
    plugins: Vec<(String, Vec<u8>, String)>,
    routing: String,
    response: String,
    route: String,
    selection: String,
    upstream: String,
    endpoints: Vec<(String, String, String)>,
    tables: String,
    files: Vec<(String, String)>,
}

impl Configuration {
    /// One route, one upstream, these endpoints; `round-robin`.
    pub fn of(origins: &[&Origin]) -> Self {
        let endpoints: Vec<_> = origins.iter().map(|origin| (origin.name.as_str(), origin.address)).collect();
        Self::at(&endpoints)
    }

    /// One route, one upstream whose endpoints are found as that table of TOML says.
    pub fn discovering(discover: &str) -> Self {
        Self::at(&[]).upstream(&format!("discover = {discover}"))
    }

    /// The same with endpoints by id and address.
    pub fn at(endpoints: &[(&str, SocketAddr)]) -> Self {
        let endpoint = |(id, address): &(&str, SocketAddr)| ((*id).to_owned(), address.to_string(), String::new());
        Self {
            workers: 2,
            routing: "[]".into(),
            response: "[]".into(),
            selection: r#"["round-robin"]"#.into(),
            endpoints: endpoints.iter().map(endpoint).collect(),
            ..Self::default()
        }
    }

    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// A `[[plugin]]` of that name with that content.
    pub fn plugin(self, name: &str, content: Vec<u8>) -> Self {
        self.plugin_with(name, content, "")
    }

    /// The same, with more lines in its table.
    pub fn plugin_with(mut self, name: &str, content: Vec<u8>, lines: &str) -> Self {
        self.plugins.push((name.into(), content, lines.into()));
        self
    }

    /// The routing chain, as an array of TOML.
    pub fn routing(mut self, chain: &str) -> Self {
        self.routing = chain.into();
        self
    }

    /// The selection chain, as an array of TOML.
    pub fn selection(mut self, chain: &str) -> Self {
        self.selection = chain.into();
        self
    }

    /// No `selection` key at all.
    pub fn without_selection(mut self) -> Self {
        self.selection.clear();
        self
    }

    /// The response chain, as an array of TOML.
    pub fn response(mut self, chain: &str) -> Self {
        self.response = chain.into();
        self
    }

    /// More lines of the route.
    pub fn route(mut self, lines: &str) -> Self {
        self.route += &format!("{lines}\n");
        self
    }

    /// More lines of the upstream.
    pub fn upstream(mut self, lines: &str) -> Self {
        self.upstream += &format!("{lines}\n");
        self
    }

    /// More attributes of an endpoint, as in `weight = 2, zone = "a"`.
    pub fn endpoint(mut self, index: usize, attributes: &str) -> Self {
        self.endpoints[index].2 = format!(", {attributes}");
        self
    }

    /// More lines of a listener: 0 speaks TLS, 1 does not.
    pub fn listener(mut self, index: usize, lines: &str) -> Self {
        self.listener[index] += &format!("{lines}\n");
        self
    }

    /// Keys before the first table.
    pub fn top(mut self, lines: &str) -> Self {
        self.top += &format!("{lines}\n");
        self
    }

    /// Whole tables, at the end: `[timeouts]`, more routes and upstreams.
    pub fn tables(mut self, tables: &str) -> Self {
        self.tables += &format!("{tables}\n");
        self
    }

    /// A file beside the configuration, which may name it.
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }

    /// Writes the file and all that it names into a folder, and gives its text.
    pub fn write(&self, folder: &Path) -> String {
        for (name, names) in [("site", &[HOST, "localhost"][..]), ("other", &[OTHER_HOST])] {
            let site = certificates::site(names);
            fs::write(folder.join(format!("{name}.pem")), site.certificate).unwrap();
            fs::write(folder.join(format!("{name}.key")), site.key).unwrap();
        }
        for (name, content, _) in &self.plugins {
            fs::write(folder.join(format!("{name}.wasm")), content).unwrap();
        }
        for (name, content) in &self.files {
            fs::write(folder.join(name), content).unwrap();
        }
        let text = self.text();
        fs::write(folder.join("sluice.toml"), &text).unwrap();
        text
    }

    /// Its text.
    pub fn text(&self) -> String {
        let mut text = format!("workers = {}\n{}", self.workers, self.top);
        let certificates =
            r#"{ certificate = "site.pem", key = "site.key" }, { certificate = "other.pem", key = "other.key" }"#;
        let [secure, plain] = &self.listener;
        let address = r#"address = "127.0.0.1:0""#;
        write!(text, "[[listener]]\n{address}\ntls.certificates = [{certificates}]\n{secure}").unwrap();
        let protocols = if plain.contains("protocols") { "" } else { r#"protocols = ["http/1.1", "h2"]"# };
        write!(text, "[[listener]]\n{address}\n{protocols}\n{plain}").unwrap();
        for (name, _, lines) in &self.plugins {
            write!(text, "[[plugin]]\nname = \"{name}\"\npath = \"{name}.wasm\"\n{lines}\n").unwrap();
        }
        let Self { routing, response, route, selection, upstream, .. } = self;
        let selection = if selection.is_empty() { String::new() } else { format!("selection = {selection}\n") };
        write!(text, "[[upstream]]\nname = \"app\"\n{selection}{upstream}").unwrap();
        if !upstream.contains("discover") {
            writeln!(text, "endpoints = [").unwrap();
            for (id, address, attributes) in &self.endpoints {
                writeln!(text, "  {{ id = \"{id}\", address = \"{address}\"{attributes} }},").unwrap();
            }
            writeln!(text, "]").unwrap();
        }
        writeln!(text, "{}", self.tables).unwrap();
        // Last, so that a test's own routes come first among those that fit equally well.
        write!(
            text,
            "[[route]]\nname = \"all\"\nupstream = \"app\"\nrouting = {routing}\nresponse = {response}\n{route}"
        )
        .unwrap();
        text
    }
}
