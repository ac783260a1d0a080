//! Tests of whole files: what a full one becomes, and what is said about broken ones.

mod bounds;
mod editor;
mod example;
mod health;
mod mistakes;
mod reported;
mod traces;

use std::path::Path;

use super::model::*;
use super::*;

const BUILT_IN: &[&str] =
    &["consistent-hash", "headers", "least-connections", "round-robin", "sticky-session", "traffic-split"];

fn toml(text: &str) -> Result<Config, Problems> {
    from_text(text, Format::Toml, Path::new("/nowhere"), "sluice.toml", BUILT_IN)?.finish()
}

#[test]
fn uses_are_shared_and_named() {
    let text = "listener = [{ address = '127.0.0.1:0' }]\n\
        use = [{ name = 'u', plugin = 'headers' }, { name = 'unused', plugin = 'consistent-hash' }]\n\
        [[upstream]]\nname = 'a'\nselection = ['u', 'round-robin', { plugin = 'round-robin' }]\nendpoints = [{ address = 'a:1' }]\n\
        [[upstream]]\nname = 'b'\nendpoints = [{ address = 'b:1' }]\n\
        [[route]]\nname = 'r'\nupstream = 'a'\nupstreams = ['b', 'a']\nrouting = ['u']\nresponse = ['u']\n\
        [[route]]\nname = 's'\nmatch.path = '/s'\nupstream = 'b'\nresponse = ['u']\n";
    let config = toml(text).unwrap();
    let uses: Vec<_> = config.uses.iter().map(|used| (&*used.name, used.upstream, used.upstreams.clone())).collect();
    let expected = [
        ("u", None, vec![0, 1]),
        ("u", None, vec![]),
        ("u", Some(0), vec![]),
        ("a/selection/round-robin", Some(0), vec![]),
        ("a/selection/round-robin#2", Some(0), vec![]),
        ("b/selection/round-robin", Some(1), vec![]),
    ];
    assert_eq!(uses, expected);
    assert_eq!(
        config.plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(),
        ["headers", "round-robin"]
    );
    assert_eq!((&config.routes[0].response, &config.routes[1].response), (&vec![1], &vec![1]));
    assert_eq!(config.upstreams[1].selection, [5]);
}
