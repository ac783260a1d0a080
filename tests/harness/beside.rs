//! Good clients beside bad ones: what happens to them while somebody else misbehaves, and what that costs the gateway.

use std::cell::Cell;
use std::future::Future;

use super::{Client, Gateway};

/// What an attack may cost in memory, bytes.
const ROOM: u64 = 64 << 20;
/// What a second and third one may add to the first, bytes: allocators keep some and give some back.
const GROWTH: u64 = 16 << 20;

/// Waits for `attack`; meanwhile clients of all kinds, kept and fresh ones, get all that they ask for.
pub async fn beside<T>(gateway: &Gateway, attack: impl Future<Output = T>) -> T {
    let is_over = Cell::new(false);
    let attack = async {
        let value = attack.await;
        is_over.set(true);
        value
    };
    let good = async {
        let mut kept = [Client::h1(gateway).await, Client::h2(gateway).await];
        loop {
            for client in &mut kept {
                assert_eq!(client.get("/good").await.status, 200);
            }
            assert_eq!(Client::plain(gateway).await.get("/good").await.status, 200);
            assert_eq!(Client::h1(gateway).await.get("/good").await.status, 200);
            if is_over.get() {
                return;
            }
            // So that the attack is not outrun by them on a small machine.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::join!(attack, good).0
}

/// Makes the same attack three times, beside good clients. It costs little memory, and the third time no more than the first.
pub async fn thrice(gateway: &Gateway, mut attack: impl AsyncFnMut()) {
    let before = gateway.resident();
    let mut after = Vec::new();
    for _ in 0..3 {
        beside(gateway, attack()).await;
        after.extend(gateway.resident());
    }
    let Some(before) = before else { return };
    let figures =
        format!("{} KiB before, then {:?}", before >> 10, after.iter().map(|bytes| bytes >> 10).collect::<Vec<_>>());
    assert!(after.iter().all(|bytes| *bytes <= before + ROOM), "{figures}");
    assert!(after[2] <= after[0] + GROWTH, "{figures}");
}
