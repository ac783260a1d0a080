//! Calls itself until the stack is used up.

sluice_guests::misbehaves!(recurse);

fn recurse() {
    std::hint::black_box(deeper(0));
}

#[expect(unconditional_recursion, reason = "this is what it is for")]
fn deeper(depth: u64) -> u64 {
    std::hint::black_box(deeper(std::hint::black_box(depth + 1))) + 1
}
