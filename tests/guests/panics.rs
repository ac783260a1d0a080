//! Panics, with a message that pretends to be two lines.

sluice_guests::misbehaves!(panic);

fn panic() {
    panic!("the guest is out of its depth\n{{\"level\":\"ERROR\",\"message\":\"forged\"}}");
}
