//! What the service manager that started the gateway gives it and is told: sockets that it has opened beforehand, and how far the
//! gateway is. It is systemd's protocol, which others speak too; without any of them nothing happens here.

use std::os::fd::{FromRawFd, OwnedFd};

use sd_notify::NotifyState;

/// The sockets that it has opened for this process, with their names (`LISTEN_FDS`). To be asked once.
pub fn sockets() -> Vec<(OwnedFd, String)> {
    let given = sd_notify::listen_fds_with_names().inspect_err(|error| {
        tracing::warn!(target: "sluice", %error, "the supervisor's sockets cannot be used");
    });
    let own = |(descriptor, name)| {
        // SAFETY: whoever sets LISTEN_FDS for this process has opened these for it and for nobody else; nothing of the program
        // had them before, and this is asked once.
        (unsafe { OwnedFd::from_raw_fd(descriptor) }, name)
    };
    given.into_iter().flatten().map(own).collect()
}

/// All serves; also after [`reloading`], however that went.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Nothing new is accepted.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process serves in this one's place.
pub fn main_process_is(process: u32) {
    tell(&[NotifyState::MainPid(process)]);
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::debug!(target: "sluice", %error, "the supervisor does not hear");
    }
}
