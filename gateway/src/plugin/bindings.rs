//! What `bindgen!` makes of the contract, and nothing else.

#![allow(missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "complete",
    imports: { default: trappable },
    with: {
        "sluice:plugin/types.request": super::context::Request,
        "sluice:plugin/types.response-head": super::context::Response,
    },
});
