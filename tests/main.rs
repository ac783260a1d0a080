//! The promises, end to end: each file is a subject, each test a promise with its name. They run the real program as a child,
//! between real clients and real backends; `harness` has what they share, `guests` the components that misbehave.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is anybody's library")]
#![allow(dead_code, reason = "temporary")]

mod harness;
