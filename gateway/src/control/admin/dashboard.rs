//! The page at the root of the admin address, for people with a browser: it shows what `api` tells and orders what can be ordered
//! there, as any other client of it would. Its files are embedded as they are written. They hold nothing that is worth a token, so
//! that the page can ask for one; what it shows comes by `api` alone.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, IF_NONE_MATCH, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::answer::{Body, whole};
use crate::plugin::Digest;

const PAGE: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Scripts, styles and requests of its own, none of anybody else, and in no frame. Texts become markup nowhere: a browser that
/// knows trusted types refuses it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Something that the page consists of.
#[derive(Debug)]
pub(super) struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// One of the folder beside this file, served below `/dashboard/`.
macro_rules! file {
    ($content_type:expr, $name:literal) => {
        File {
            path: concat!("/dashboard/", $name),
            content_type: $content_type,
            text: include_str!(concat!("dashboard/", $name)),
        }
    };
}

const FILES: &[File] = &[
    File { path: "/", content_type: PAGE, text: include_str!("dashboard/index.html") },
    file!(STYLE, "style.css"),
    file!(STYLE, "parts.css"),
    file!(IMAGE, "icon.svg"),
    file!(SCRIPT, "api.js"),
    file!(SCRIPT, "charts.js"),
    file!(SCRIPT, "disclosure.js"),
    file!(SCRIPT, "dom.js"),
    file!(SCRIPT, "events.js"),
    file!(SCRIPT, "exchange.js"),
    file!(SCRIPT, "exchanges.js"),
    file!(SCRIPT, "format.js"),
    file!(SCRIPT, "main.js"),
    file!(SCRIPT, "orders.js"),
    file!(SCRIPT, "plugin.js"),
    file!(SCRIPT, "plugins.js"),
    file!(SCRIPT, "problems.js"),
    file!(SCRIPT, "routes.js"),
    file!(SCRIPT, "series.js"),
    file!(SCRIPT, "state.js"),
    file!(SCRIPT, "stream.js"),
    file!(SCRIPT, "theme.js"),
    file!(SCRIPT, "token.js"),
    file!(SCRIPT, "traffic.js"),
    file!(SCRIPT, "upstreams.js"),
];

/// What is there.
pub(super) fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

impl File {
    /// The file, or word that the browser has it already.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response<Body> {
        let tag = format!("\"{}\"", Digest::of(self.text.as_bytes()));
        let mut answer = match is_known(asked, &tag) {
            true => whole(StatusCode::NOT_MODIFIED, self.content_type, String::new()),
            false => whole(StatusCode::OK, self.content_type, self.text.to_owned()),
        };
        let fields = answer.headers_mut();
        // Hexadecimal digits between quotation marks.
        HeaderValue::from_str(&tag).into_iter().for_each(|tag| _ = fields.insert(ETAG, tag));
        let said = [
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (OPENER, "same-origin"),
            (RESOURCE, "same-origin"),
        ];
        for (name, value) in said {
            fields.insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

/// Whether the browser says that it has what goes by this tag (RFC 9110 §13.1.2: weak comparison).
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let said = asked.get_all(IF_NONE_MATCH).iter().filter_map(|said| said.to_str().ok());
    let mut tags = said.flat_map(|said| said.split(',')).map(str::trim);
    tags.any(|said| said == "*" || said.strip_prefix("W/").unwrap_or(said) == tag)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn named(name: &str) -> &'static str {
        file(&format!("/dashboard/{name}")).unwrap_or_else(|| panic!("no {name}")).text
    }

    /// What stands between `before` and the next quotation mark, each time.
    fn after<'t>(text: &'t str, before: &str) -> BTreeSet<&'t str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn every_file_of_the_folder_is_served_and_asked_for_beforehand() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/admin/dashboard");
        let there = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<String> = there.filter(|name| name != "index.html").collect();
        let served = FILES.iter().filter_map(|file| file.path.strip_prefix("/dashboard/"));
        assert_eq!(there, served.map(str::to_owned).collect());
        // So that a browser needs no turn for each module that another one imports.
        let page = file("/").unwrap().text;
        let asked_for: BTreeSet<&str> = after(page, "=\"dashboard/").into_iter().collect();
        assert_eq!(asked_for, there.iter().map(String::as_str).collect());
    }

    #[test]
    fn modules_import_what_there_is_and_all_are_imported() {
        let mut imported = BTreeSet::from(["main.js"]);
        for module in FILES.iter().filter(|file| file.content_type == SCRIPT) {
            for name in after(module.text, "from \"./") {
                let defined = named(name);
                let list = module.text.split(&format!("from \"./{name}\"")).next().unwrap();
                let list = list.rsplit_once("import {").unwrap().1.split('}').next().unwrap();
                for item in list.split(',').filter_map(|item| item.split_whitespace().next()) {
                    let kinds = ["function", "async function", "const", "class"];
                    let is_there = kinds.iter().any(|kind| defined.contains(&format!("export {kind} {item}")));
                    assert!(is_there, "{}: {item} of {name}", module.path);
                }
                imported.insert(name);
            }
        }
        let all = FILES.iter().filter(|file| file.content_type == SCRIPT);
        let all: BTreeSet<&str> = all.filter_map(|file| file.path.strip_prefix("/dashboard/")).collect();
        assert_eq!(imported, all);
    }

    #[test]
    fn nothing_is_asked_of_others_and_no_text_becomes_markup() {
        // The name of a kind of document, which nobody fetches.
        let kind = "xmlns=\"http://www.w3.org/2000/svg\"";
        for file in FILES {
            let text = file.text.replace(kind, "");
            let foreign = ["http:", "https:", "://", "\"//", "'//", "(//", "@import", "data:", "blob:", "ws:", "wss:"];
            let markup = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"];
            let inline = ["<style", " style=", "onclick=", "javascript:"];
            for word in foreign.iter().chain(&markup).chain(&inline) {
                assert!(!text.contains(word), "{}: {word}", file.path);
            }
            assert!(text.lines().count() < 300, "{} is long", file.path);
        }
    }

    #[test]
    fn a_browser_that_has_a_file_gets_it_once() {
        let page = file("/").unwrap();
        let answer = page.answer(&HeaderMap::new());
        let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
        for (said, is_known) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"x\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            (tag.trim_matches('"').to_owned(), false),
            (String::new(), false),
        ] {
            let asked = HeaderMap::from_iter([(IF_NONE_MATCH, said.parse().unwrap())]);
            let answer = page.answer(&asked);
            assert_eq!(answer.status() == StatusCode::NOT_MODIFIED, is_known, "{said:?}");
            assert_eq!(answer.headers()[ETAG], tag);
        }
    }
}
