//! What a client without TLS is told when there is no room for it: 503, as far as that costs next to nothing.

use std::rc::Rc;

use tokio::net::TcpStream;

use super::client_io::ClientIo;
use super::goodbye;
use super::worker::Worker;
use crate::message::Interims;
use crate::observe::Activity;
use crate::proxy::Cause;

/// Clients of a worker that are told at a time; the others are only closed.
const AT_ONCE: usize = 64;

/// One that is being told.
struct Guest(Rc<Worker>);

impl Drop for Guest {
    fn drop(&mut self) {
        let count = &self.0.farewells;
        count.set(count.get().saturating_sub(1));
    }
}

/// Tells it, if not too many are being told already, and closes the connection.
pub(super) fn say(worker: &Rc<Worker>, stream: TcpStream) {
    if worker.farewells.get() >= AT_ONCE {
        return;
    }
    worker.farewells.set(worker.farewells.get() + 1);
    let guest = Guest(worker.clone());
    tokio::task::spawn_local(async move {
        goodbye::say(ClientIo::new(stream, Activity::start(), Interims::new(false)), Cause::NoRoom.answer()).await;
        drop(guest);
    });
}
