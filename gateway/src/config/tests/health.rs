//! Keys that say when endpoints may be used: what is wrong with them is told at its place.

use super::mistakes::problems;

#[test]
fn health_that_does_not_hold_together() {
    let of = |more: &str| {
        let upstream = "listener = [{ address = '127.0.0.1:0' }]\nroute = [{ name = 'r', upstream = 'a' }]\n";
        problems(&format!("{upstream}[[upstream]]\nname = 'a'\nendpoints = [{{ address = 'a:1' }}]\n{more}"))
    };
    for good in
        ["{}", "{ kind = 'tcp', port = 7 }", "{ path = '/a?b=c', host = '[::1]:80', status = ['204', '300-399'] }"]
    {
        assert_eq!(of(&format!("health = {good}")), Vec::<String>::new(), "{good}");
    }
    let cases = [
        ("health = { kind = 'tcp', path = '/' }", "health.path: this is for checks of kind \"http\" only"),
        ("health = { kind = 'tcp', host = 'a' }", "health.host: this is for checks of kind \"http\" or \"grpc\" only"),
        ("health = { kind = 'grpc', body = 'a' }", "health.body: this is for checks of kind \"http\" only"),
        ("health = { kind = 'grpc', status = ['200'] }", "health.status: this is for checks of kind \"http\" only"),
        ("health = { service = 'a' }", "health.service: this is for checks of kind \"grpc\" only"),
        ("health = { path = 'healthz' }", "health.path: expected a path like \"/healthz\", found \"healthz\""),
        ("health = { path = '/a b' }", "health.path: expected a path like \"/healthz\", found \"/a b\""),
        ("health = { path = '/a#b' }", "health.path: expected a path like \"/healthz\", found \"/a#b\""),
        ("health = { host = 'a b' }", "health.host: expected a host, with a port or without, found \"a b\""),
        ("health = { host = 'me@a' }", "health.host: expected a host, with a port or without, found \"me@a\""),
        ("health = { port = 0 }", "health.port: expected a whole number from 1 to 65535, found 0"),
        ("health = { status = [] }", "health.status: expected at least one entry, found an empty list"),
        ("health = { healthy-after = 0 }", "health.healthy-after: expected a whole number from 1 to 1000, found 0"),
        (
            "health = { status = ['2xx'] }",
            "health.status[0]: expected a status or a range like \"200-299\", found \"2xx\": \"2xx\" is not a status, 100 to 599",
        ),
        (
            "ejection.success-rate.deviations = '1,9'",
            "ejection.success-rate.deviations: expected a factor like \"1.9\", found \"1,9\": a number with at most three decimals, and nothing else",
        ),
        ("slow-start = '0s'", "slow-start: expected a duration like \"10s\", found \"0s\": it must be more than 0"),
    ];
    for (more, expected) in cases {
        assert_eq!(of(more), [format!("sluice.toml:6: upstream[0].{expected}")], "{more}");
    }
}
