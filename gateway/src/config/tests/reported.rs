//! Keys that say how endpoints report their load: what is wrong with them is told at its place.

use super::mistakes::problems;

#[test]
fn reported_load_that_does_not_hold_together() {
    let of = |reported: &str| {
        let upstream = "listener = [{ address = '127.0.0.1:0' }]\nroute = [{ name = 'r', upstream = 'a' }]\n";
        problems(&format!(
            "{upstream}[[upstream]]\nname = 'a'\nendpoints = [{{ address = 'a:1' }}]\nreported-load = {reported}"
        ))
    };
    let many = (0..17).map(|number| format!("'n{number}'")).collect::<Vec<_>>().join(", ");
    let many_series = (0..17).map(|number| format!("n{number} = 'a'")).collect::<Vec<_>>().join(", ");
    for good in [
        "{ header = true }",
        "{ header = true, pass-on = true, named = ['queue', 'vllm:x', 'utilization.disk'], expire = '10s' }",
        "{ scrape = { series.cpu = 'cpu' } }",
        "{ scrape = { path = '/m?a=b', size = '1KiB', series = { memory = 'a{b=\"c\"} / 100', named = { 'a:b' = 'rate(x)' } } } }",
    ] {
        assert_eq!(of(good), Vec::<String>::new(), "{good}");
    }
    let cases = [
        ("{}", ": it says neither `header = true` nor `scrape`".to_owned()),
        ("{ named = ['a'] }", ": it says neither `header = true` nor `scrape`".to_owned()),
        (
            "{ header = true, scrape.series.cpu = 'a' }",
            ".scrape: endpoints report by `header` or here, not by both: the last word would be anybody's".to_owned(),
        ),
        ("{ header = true, named = ['a', 'b', 'a'] }", ".named[2]: \"a\" stands twice".to_owned()),
        ("{ header = true, named = ['a b'] }", ".named[0]: expected 1 to 64 visible ASCII characters, found \"a b\"".to_owned()),
        ("{ pass-on = true, scrape.series.cpu = 'a' }", ".pass-on: means nothing without `header`".to_owned()),
        ("{ named = ['a'], scrape.series.cpu = 'a' }", ".named: means nothing without `header`".to_owned()),
        ("{ scrape = {} }", ".scrape.series: nothing is read: expected at least one figure".to_owned()),
        (
            "{ scrape = { size = '1B', series.cpu = 'a' } }",
            ".scrape.size: expected 1KiB to 16MiB, found 1B".to_owned(),
        ),
        (
            "{ scrape = { path = 'metrics', series.cpu = 'a' } }",
            ".scrape.path: expected a path like \"/metrics\", found \"metrics\"".to_owned(),
        ),
        (
            "{ scrape = { host = 'a b', series.cpu = 'a' } }",
            ".scrape.host: expected a host, with a port or without, found \"a b\"".to_owned(),
        ),
        (
            "{ scrape.series.cpu = 'rate(a' }",
            ".scrape.series.cpu: expected a series like \"rate(http_requests_total)\", found \"rate(a\": the parenthesis behind `rate(` is missing".to_owned(),
        ),
        (&format!("{{ header = true, named = [{many}] }}"), ".named: expected at most 16 entries, found 17".to_owned()),
        (
            &format!("{{ scrape.series.named = {{ {many_series} }} }}"),
            ".scrape.series.named: expected at most 16 entries, found 17".to_owned(),
        ),
    ];
    for (reported, expected) in cases {
        assert_eq!(of(reported), [format!("sluice.toml:6: upstream[0].reported-load{expected}")], "{reported}");
    }
}
