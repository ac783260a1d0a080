//! One instance of a use on each worker: a guest that counts its own calls cannot be wrong about that.

use std::collections::BTreeMap;

use crate::harness::{Ask, Configuration, Gateway, Origin, component, load};

#[tokio::test]
async fn each_worker_has_one_instance_of_a_use_and_only_one() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).plugin("counts", component("counts"));
    let gateway = Gateway::start(&configuration.selection(r#"["counts", "round-robin"]"#)).await;
    let answers = load(&gateway, 20, 1_000, |_| Ask::get("/")).await;
    let mut calls: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for answer in &answers {
        calls.entry(answer.header("x-worker")).or_default().push(answer.header("x-calls").parse().unwrap());
    }
    assert_eq!(calls.keys().collect::<Vec<_>>(), [&"0", &"1"]);
    for (worker, mut counts) in calls {
        counts.sort_unstable();
        assert_eq!(counts, (1..=counts.len()).collect::<Vec<_>>(), "worker {worker} counted twice or left one out");
    }
}

#[tokio::test]
async fn two_uses_of_one_plugin_have_instances_of_their_own() {
    let [one, other] = Origin::several().await;
    let second = format!(
        "[[upstream]]\nname = \"other\"\nselection = [\"counts\", \"round-robin\"]\n\
         endpoints = [{{ id = \"b\", address = \"{}\" }}]\n\
         [[route]]\nname = \"other\"\nmatch = {{ path = \"/other\" }}\nupstream = \"other\"\n",
        other.address
    );
    let configuration = Configuration::of(&[&one]).workers(1).plugin("counts", component("counts")).tables(&second);
    let gateway = Gateway::start(&configuration.selection(r#"["counts", "round-robin"]"#)).await;
    let answers = load(&gateway, 1, 20, |number| Ask::get(if number % 2 == 0 { "/" } else { "/other" })).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.header("x-calls"), (number / 2 + 1).to_string());
    }
}
