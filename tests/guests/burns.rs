//! Works for two milliseconds: within its deadline, and far too long for every request.

use std::time::{Duration, Instant};

sluice_guests::misbehaves!(burn);

fn burn() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
}
