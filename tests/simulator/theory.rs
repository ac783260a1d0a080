//! What is played agrees with the theory of queues where that is exact, and with the literature.

use super::{Play, assert_within, number, run};

/// Erlang's C formula: the part of requests that wait, where `servers` are at work for `load` of their time.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let offered = f64::from(servers) * load;
    // Erlang's B by its recursion, then C of it.
    let b = (1..=servers).fold(1.0, |b, server| offered * b / (f64::from(server) + offered * b));
    b / (1.0 - load * (1.0 - b))
}

#[test]
fn waits_before_one_server_and_before_many_are_those_of_the_theory() {
    for (servers, load, seconds) in [(1, 0.6, 700), (4, 0.7, 180)] {
        let scenario = format!(
            "for = \"{seconds}s\"\nwarm-up = \"2s\"\narrivals.load = [{load}]\nservice.mean = \"1ms\"\n[[endpoint]]\nid = \"a\"\nservers = {servers}\n"
        );
        let outcomes = Play::of(&scenario).json(&["round-robin"]);
        let run = run(&outcomes, 0);
        let due = erlang_c(servers, load) / (f64::from(servers) * (1.0 - load));
        assert_within(&format!("M/M/{servers} at {load}, wait in ms"), number(&run["wait_ms"]), due, 0.02);
        assert_within("and in all", number(&run["latency_ms"]["mean"]), due + 1.0, 0.02);
        let in_flight = number(&run["endpoints"][0]["in_flight"]);
        // Little's law.
        assert_within("in flight", in_flight, f64::from(servers) * load * (due + 1.0), 0.02);
        assert_within("at work", number(&run["endpoints"][0]["utilization"]), load, 0.01);
    }
}

/// In units of the work, a request takes 1 / (1 - load) with one choice: each endpoint is M/M/1. With two it takes the sum of load to
/// the powers 2^i - 2 (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, IEEE TPDS 12, 2001) as the number of
/// endpoints grows; of a hundred, a few percent more.
#[test]
fn two_choices_are_as_much_better_than_one_as_the_literature_has_it() {
    let scenario = "for = \"60s\"\nwarm-up = \"20s\"\narrivals.load = [0.95]\nservice.mean = \"10ms\"\n[[endpoint]]\nid = \"e\"\ncount = 100\n";
    let outcomes = Play::of(scenario).json(&["power-of-two-choices", "random"]);
    let mean = |policy| number(&run(&outcomes, policy)["latency_ms"]["mean"]);
    let limit: f64 = (1..20).map(|i| 0.95_f64.powi(2_i32.pow(i) - 2)).sum();
    assert_within("two choices", mean(0) / 10.0, limit * 1.03, 0.04);
    assert_within("one choice", mean(1) / 10.0, 20.0, 0.15);
}

/// The order of nginx's smooth weighted rotation for the weights 5, 1 and 1.
#[test]
fn smooth_weighted_rotation_has_its_sequence() {
    let sent = |requests: u32| -> Vec<u64> {
        let lasts = requests * 10;
        // One client after the other's answer: so many in that time.
        let scenario = format!(
            "for = \"{lasts}ms\"\narrivals = {{ process = \"closed\", clients = [1] }}\nservice = {{ time = \"constant\", mean = \"10ms\" }}\n\
             [[endpoint]]\nid = \"a\"\nweight = 5\n[[endpoint]]\nid = \"b\"\n[[endpoint]]\nid = \"c\"\n"
        );
        let outcomes = Play::of(&scenario).json(&["weighted-round-robin"]);
        let endpoints = run(&outcomes, 0)["endpoints"].as_array().unwrap().clone();
        endpoints.iter().map(|endpoint| endpoint["sent"].as_u64().unwrap()).collect()
    };
    let counts: Vec<Vec<u64>> =
        (0..=14).map(|requests| if requests == 0 { vec![0; 3] } else { sent(requests) }).collect();
    let next = |pair: &[Vec<u64>]| ['a', 'b', 'c'][(0..3).find(|place| pair[1][*place] > pair[0][*place]).unwrap()];
    assert_eq!(counts.windows(2).map(next).collect::<String>(), "aabacaaaabacaa");
}
