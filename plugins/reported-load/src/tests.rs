//! What reports are worth, and that shares are as they say.

use super::*;
use sluice_plugin::Health;
use sluice_plugin::fake::{self, Host, Instance, json};
use sluice_plugin::reports::Report;

/// One that has reported for long enough.
fn report(cpu: f64, requests_per_second: f64) -> Option<Report> {
    Some(Report { steady_us: 60_000_000, cpu, requests_per_second, ..Report::default() })
}

fn start(host: &Host, config: fake::Value) -> Instance<ReportedLoad> {
    host.start(config).unwrap()
}

/// What each of so many endpoints gets of 10,000 choices, in parts of all.
fn parts(host: &Host, plugin: &mut Instance<ReportedLoad>, count: usize) -> Vec<f64> {
    let mut times = vec![0.0; count];
    for _ in 0..10_000 {
        match host.select(plugin) {
            Decision::Endpoint(choice) => times[choice.endpoint as usize] += 1.0 / 10_000.0,
            other => panic!("{other:?}"),
        }
    }
    times
}

#[track_caller]
fn assert_near(name: &str, found: &[f64], due: &[f64]) {
    let total: f64 = due.iter().sum();
    for (found, due) in found.iter().zip(due) {
        assert!((found - due / total).abs() < 0.001, "{name}: {found:?} instead of {due:?} of {total}");
    }
}

#[test]
fn shares_are_as_the_rule_says() {
    let errors = |cpu, rate, errors| report(cpu, rate).map(|report| Report { errors_per_second: errors, ..report });
    let app = |cpu, utilization| report(cpu, 100.0).map(|report| Report { utilization, ..report });
    let young = |cpu| report(cpu, 100.0).map(|report| Report { steady_us: 9_999_999, ..report });
    type Case = (&'static str, [Option<Report>; 3], [f64; 3]);
    let cases: [Case; 10] = [
        ("by CPU", [report(0.2, 100.0), report(0.4, 100.0), report(0.8, 100.0)], [4.0, 2.0, 1.0]),
        ("by rate", [report(0.5, 300.0), report(0.5, 100.0), report(0.25, 100.0)], [3.0, 1.0, 2.0]),
        ("errors count", [errors(0.5, 100.0, 50.0), report(0.5, 100.0), report(1.0, 100.0)], [1.0, 2.0, 1.0]),
        ("the application knows best", [app(0.1, 0.8), report(0.4, 100.0), app(0.9, 0.4)], [1.0, 2.0, 2.0]),
        ("without rates", [report(0.2, 0.0), report(0.4, 0.0), report(0.8, 0.0)], [4.0, 2.0, 1.0]),
        (
            "one without a rate is as good as none",
            [report(0.2, 100.0), report(0.6, 100.0), report(0.01, 0.0)],
            [3.0, 1.0, 2.0],
        ),
        ("who is new gets the mean", [report(0.2, 100.0), report(0.6, 100.0), young(0.01)], [3.0, 1.0, 2.0]),
        ("who does not report too", [report(0.2, 100.0), report(0.6, 100.0), None], [3.0, 1.0, 2.0]),
        ("one alone changes nothing", [report(0.9, 100.0), None, None], [1.0, 1.0, 1.0]),
        ("nothing of use", [report(0.0, 100.0), report(0.0, 0.0), None], [1.0, 1.0, 1.0]),
    ];
    for (name, reports, due) in cases {
        let host = Host::new().endpoints(3);
        let mut plugin = start(&host, json!({}));
        host.set_reports(&reports);
        plugin.tick();
        assert_near(name, &parts(&host, &mut plugin, 3), &due);
    }
}

#[test]
fn who_does_not_report_has_its_weight_among_those_that_do() {
    let host = Host::new().weights(&[1, 3, 2]);
    let mut plugin = start(&host, json!({}));
    assert_near("", &parts(&host, &mut plugin, 3), &[1.0, 3.0, 2.0]);
    // 100 / 0.5 and 900 / 0.5, on weights of 1 and 3: 500 for each.
    host.set_reports(&[report(0.5, 100.0), report(0.5, 900.0), None]);
    plugin.tick();
    assert_near("", &parts(&host, &mut plugin, 3), &[200.0, 1800.0, 1000.0]);
    assert_eq!(host.metric("rated_endpoints"), Some(2.0));
    // Without rates it is as large as it is configured to be.
    host.set_reports(&[report(0.5, 0.0), report(0.5, 0.0), report(1.0, 0.0)]);
    plugin.tick();
    assert_near("", &parts(&host, &mut plugin, 3), &[1.0, 3.0, 1.0]);
    host.set_reports(&[None; 3]);
    plugin.tick();
    assert_near("", &parts(&host, &mut plugin, 3), &[1.0, 3.0, 2.0]);
    assert_eq!(host.metric("rated_endpoints"), Some(0.0));
}

#[test]
fn a_slow_start_counts_for_reports_too() {
    let host = Host::new().endpoints(2);
    let mut plugin = start(&host, json!({}));
    host.set_reports(&[report(0.5, 100.0), report(0.5, 100.0)]);
    host.change_endpoints(|endpoints| endpoints[1].warm_up = 100);
    assert_near("", &parts(&host, &mut plugin, 2), &[10.0, 1.0]);
    host.change_endpoints(|endpoints| endpoints[0].health = Health::Unhealthy);
    assert_near("", &parts(&host, &mut plugin, 2), &[0.0, 1.0]);
}

#[test]
fn the_largest_of_the_figures_that_are_named_counts() {
    let host = Host::new().endpoints(2);
    let config =
        json!({ "utilization": ["mem_utilization", "named_metrics.queue", "utilization.disk"], "blackout": "1s" });
    let mut plugin = start(&host, config);
    let memory = report(0.1, 10.0).map(|report| Report { memory: 0.4, steady_us: 1_000_000, ..report });
    host.set_reports(&[memory, memory]);
    host.change_endpoints(|endpoints| {
        endpoints[0].named = [("queue".to_owned(), 0.2), ("utilization.disk".to_owned(), 0.8)].into();
        endpoints[1].named = [("queue".to_owned(), 0.2)].into();
    });
    assert_near("", &parts(&host, &mut plugin, 2), &[1.0, 2.0]);
}

#[test]
fn choices_are_interleaved_and_new_weights_do_not_disturb_them() {
    let host = Host::new().endpoints(3);
    let mut plugin = start(&host, json!({}));
    host.set_reports(&[report(0.2, 100.0), report(0.4, 100.0), report(0.8, 100.0)]);
    let mut times = [0.0_f64; 3];
    for turn in 1..=700 {
        let Decision::Endpoint(choice) = host.select(&mut plugin) else { panic!("nobody is due") };
        times[choice.endpoint as usize] += 1.0;
        for (times, due) in times.into_iter().zip([4.0, 2.0, 1.0]) {
            let off = times - f64::from(turn) * due / 7.0;
            assert!(off.abs() < 2.0, "{off} off at {turn}");
        }
        if turn % 50 == 0 {
            plugin.tick();
        }
    }
}

#[test]
fn workers_begin_apart() {
    let host = Host::new().endpoints(3);
    let first = |_| host.select(&mut start(&host, json!({})));
    let mut firsts: Vec<Decision> = (0..20).map(first).collect();
    firsts.dedup();
    assert!(firsts.len() > 3, "twenty workers began with {firsts:?}");
}

#[test]
fn a_retry_goes_to_another_endpoint() {
    let host = Host::new().endpoints(2);
    let mut plugin = start(&host, json!({}));
    host.set_reports(&[report(0.01, 100.0), report(0.9, 100.0)]);
    plugin.tick();
    let mut exchange = host.exchange(fake::Request::get("/"));
    let first = exchange.select(&mut plugin);
    exchange.failed();
    assert_ne!(exchange.select(&mut plugin), first);
    exchange.failed();
    assert_eq!(exchange.select(&mut plugin), Decision::pass());
    host.change_endpoints(Vec::clear);
    assert_eq!(host.select(&mut plugin), Decision::pass());
}

#[test]
fn mistakes_have_their_place() {
    let mistakes = |config| {
        let issues = Host::new().start::<ReportedLoad>(config).unwrap_err();
        issues.iter().map(|issue| issue.at.clone()).collect::<Vec<_>>()
    };
    let all = json!({ "update": "99ms", "error-penalty": -1.0, "utilization": ["named_metrics."] });
    assert_eq!(mistakes(all), ["/update", "/error-penalty", "/utilization/0"]);
    assert_eq!(mistakes(json!({ "utilization": ["queue"] })), ["/utilization/0"]);
}
