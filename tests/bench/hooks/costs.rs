//! What a call costs before a plugin does anything: the hooks of a guest that only passes, and what the request's handle and
//! each look at a field add to one of them.

use criterion::Criterion;

use crate::exchange::{BATCH, Moments, answer, ended, request};
use crate::gateway::{Chains, Gateway};

pub fn measure(criterion: &mut Criterion) {
    hooks(criterion);
    request_handle(criterion);
}

fn hooks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("no work");
    let chain = r#"["passes"]"#;
    let gateway = Gateway::of(Chains { routing: chain, selection: chain, response: chain }, 3);
    // Inline uses are three, in whatever order.
    let place = |hook: &str| gateway.slots.iter().find(|slot| slot.owner.name.contains(hook)).unwrap();
    let [routing, selection, response] = ["/routing/", "/selection/", "/response/"].map(place);
    let (mut head, members, mut moments) = (request(""), gateway.members(), Moments::begin());
    group.bench_function("route", |bencher| bencher.iter(|| routing.route(&mut head, moments.next()).unwrap()));
    group.bench_function("select", |bencher| {
        bencher.iter(|| selection.select(&head, &members, &[], moments.next()).unwrap());
    });
    group.bench_function("respond", |bencher| {
        bencher.iter_batched_ref(
            || answer(members.endpoints[1].clone(), &[]),
            |answer| response.respond(&head, answer, &ended(0), moments.next()).unwrap(),
            BATCH,
        );
    });
    group.bench_function("tick", |bencher| bencher.iter(|| selection.tick(moments.next().now_us)));
    group.finish();
}

fn request_handle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for (name, reads) in [
        ("handle", "[]"),
        ("field of 14 bytes", r#"["accept-language"]"#),
        ("field of 66 bytes", r#"["user-agent"]"#),
        ("field that is not there", r#"["x-none"]"#),
        ("three fields", r#"["accept-language", "user-agent", "x-none"]"#),
    ] {
        let plugin = format!("{{ plugin = \"passes\", config = {{ see-request = true, reads = {reads} }} }}");
        let gateway = Gateway::selecting(&plugin, 3);
        let (slot, head, members, mut moments) = (&gateway.slots[0], request(""), gateway.members(), Moments::begin());
        group.bench_function(name, |bencher| {
            bencher.iter(|| slot.select(&head, &members, &[], moments.next()).unwrap());
        });
    }
    group.finish();
}
