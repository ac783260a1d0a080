//! An endpoint that joins, or comes back, begins with little, and plugins see that.

use crate::harness::{Ask, Configuration, Gateway, Origin, eventually, load};

/// All by weight, with figures; one error takes an endpoint out for a moment.
fn slowly(origins: &[&Origin], slow_start: &str) -> Configuration {
    Configuration::of(origins)
        .selection(r#"["weighted-round-robin"]"#)
        .upstream(r#"ejection = { consecutive-errors = 1, for = "100ms" }"#)
        .upstream(&format!("slow-start = \"{slow_start}\""))
        .tables("[admin]\naddress = \"127.0.0.1:0\"")
}

fn warm_up(name: &str) -> String {
    format!(r#"sluice_endpoint_warm_up_ratio{{upstream="app",endpoint="{name}"}}"#)
}

/// How often each of them answered so many requests, which all must be good.
async fn shares<const N: usize>(gateway: &Gateway, requests: usize, names: [&str; N]) -> [usize; N] {
    let answers = load(gateway, 4, requests, |_| Ask::get("/")).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    names.map(|name| answers.iter().filter(|answer| answer.origin() == name).count())
}

#[tokio::test]
async fn who_comes_back_begins_with_a_tenth_and_who_was_there_from_the_start_with_all() {
    let origins: [Origin; 2] = Origin::several().await;
    let configuration = |slow_start| slowly(&origins.each_ref(), slow_start);
    let gateway = Gateway::start(&configuration("10m")).await;
    assert_eq!(shares(&gateway, 40, ["a", "b"]).await, [20, 20]);
    origins[1].answer(500);
    while gateway.log.filter("ejected", |_| true).is_empty() {
        load(&gateway, 2, 2, |_| Ask::get("/")).await;
    }
    origins[1].answer(200);
    gateway.log.wait_for("returned", |event| event.text("endpoint") == "b").await;
    gateway.shows(&[(&warm_up("a"), 1.0), (&warm_up("b"), 0.1)]).await;
    // Weights of 10 to 1, over two cycles.
    assert_eq!(shares(&gateway, 220, ["a", "b"]).await, [200, 20]);

    // What is known of it outlives a reload: by a shorter window it is long warm, by the old one it is not.
    gateway.reload(&configuration("1ms").text()).await;
    gateway.shows(&[(&warm_up("b"), 1.0)]).await;
    assert_eq!(shares(&gateway, 40, ["a", "b"]).await, [20, 20]);
    gateway.reload(&configuration("10m").text()).await;
    gateway.shows(&[(&warm_up("b"), 0.1)]).await;
}

#[tokio::test]
async fn weight_grows_until_all_of_it_is_there() {
    let origins: [Origin; 3] = Origin::several().await;
    let [first, second, third] = &origins;
    let gateway = Gateway::start(&slowly(&[first, second], "2s")).await;
    gateway.reload(&slowly(&[first, second, third], "2s").text()).await;
    // Who joins others starts slowly, and they do not.
    let mut seen: Vec<f64> = Vec::new();
    eventually("all of its weight", async || {
        let scrape = gateway.scrape().await;
        assert_eq!((scrape.value(&warm_up("a")), scrape.value(&warm_up("b"))), (1.0, 1.0));
        let now = scrape.value(&warm_up("c"));
        assert!(seen.last().is_none_or(|before| *before <= now), "{now} after {seen:?}");
        seen.push(now);
        (now == 1.0).then_some(())
    })
    .await;
    seen.dedup();
    assert!(seen.len() >= 3 && seen[0] < 0.5, "{seen:?}");
    assert_eq!(shares(&gateway, 60, ["a", "b", "c"]).await, [20, 20, 20]);
}

#[tokio::test]
async fn the_gateways_own_draw_starts_slowly_too() {
    let origins: [Origin; 2] = Origin::several().await;
    let [first, second] = &origins;
    let configuration = |origins: &[&Origin]| slowly(origins, "10m").selection("[]");
    let gateway = Gateway::start(&configuration(&[first])).await;
    gateway.reload(&configuration(&[first, second]).text()).await;
    let [_, second] = shares(&gateway, 1_100, ["a", "b"]).await;
    // 100 are due; seven standard deviations are some 70.
    assert!((30..=170).contains(&second), "{second} of 1,100");
}
