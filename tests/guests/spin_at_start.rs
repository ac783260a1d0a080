//! Never comes back from its constructors, which run before or with the first call.

sluice_guests::misbehaves!(nothing);

fn nothing() {}

#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = spin;

extern "C" fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
