//! Bounds of traffic that make no sense are mistakes.

use super::mistakes::{around, problems};

#[test]
fn bounds_of_traffic_that_make_no_sense() {
    let route = |more: &str| around(&format!("[[route]]\nname = 'r'\nupstream = 'app'\n{more}"));
    let upstream = |more: &str| {
        format!(
            "listener = [{{ address = '127.0.0.1:0' }}]\n[[upstream]]\nname = 'a'\n\
             endpoints = [{{ address = 'a:1', max-in-flight = 1 }}, {{ address = 'b:1' }}]\n{more}"
        )
    };
    let known =
        "route[0].retry.on[1]: expected \"connect-failure\", \"reset\", \"timeout\" or a status like \"503\", found";
    let cases = [
        (route("retry.on = ['reset', 'refused']"), format!("{known} \"refused\": it is none of these")),
        (route("retry.on = ['reset', '200']"), format!("{known} \"200\": only errors are, 400 to 599")),
        (route("retry.extra-attempts = 11"), "expected a whole number from 0 to 10, found 11".to_owned()),
        (route("retry.body = '17MiB'"), "retry.body: expected at most 16MiB, found 17MiB".to_owned()),
        (route("limits.rate = { per = '1s' }"), "limits.rate.requests: this key is required".to_owned()),
        (route("limits.rate = { requests = 5, key = 'ip' }"), "expected \"client\", found \"ip\"".to_owned()),
        (
            route("limits.rate = { requests = 5, key = { header = 'a b' } }"),
            "limits.rate.key.header: \"a b\" is not the name of a header field".to_owned(),
        ),
        (
            route("limits.rate = { requests = 1000000, per = '1us' }"),
            "limits.rate.per: too short for so many requests".to_owned(),
        ),
        (
            upstream("queue = {}"),
            "upstream[0].queue: means nothing without `max-in-flight`, of the upstream or of each of its".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].contains(&expected), "{expected} is not in {found:#?}");
    }
    assert_eq!(problems(&upstream("queue = {}\nmax-in-flight = 5")), Vec::<String>::new());
}
