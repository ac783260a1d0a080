//! Never comes back.

sluice_guests::misbehaves!(spin);

fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
