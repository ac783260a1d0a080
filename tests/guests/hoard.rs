//! Takes memory until there is no more.

sluice_guests::misbehaves!(hoard);

fn hoard() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(Vec::<u8>::with_capacity(1024 * 1024)));
    }
}
