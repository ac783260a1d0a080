//! A service manager's part: a socket that is opened before the gateway is there, and stays when it has gone.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

/// The same program as a service that gets one socket: it comes as standard input, and is moved to where services look for it.
pub fn activated(command: &Command, socket: TcpListener) -> Command {
    let script = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http; exec "$@""#;
    let mut service = Command::new("sh");
    service.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    service.env_remove("SLUICE_LOG").stdin(Stdio::from(OwnedFd::from(socket)));
    service
}
