//! What stands behind every proxy: two servers of one nginx with one worker. It answers as fast as nginx can, and
//! counts what reaches it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::load::{Target, Wire, wait_until_it_answers};
use crate::machine::{Placement, Running, find};

/// The running origin.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) endpoints: [SocketAddr; 2],
    // Ends it when it is dropped.
    _running: Running,
}

/// What has reached the origin since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
}

impl Origin {
    /// Starts it with its files in that folder.
    pub(crate) fn start(folder: &Path, placement: &Placement, endpoints: [SocketAddr; 2]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        for (name, length) in [("16k", 16 << 10), ("1m", 1 << 20)] {
            fs::write(folder.join(name), vec![b'x'; length])?;
        }
        fs::write(folder.join("nginx.conf"), configuration(folder, endpoints))?;
        let mut command = Command::new(find("nginx").context("nginx is gone")?);
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
        let mut running = Running::start(&command, &[placement.origin], folder)?;
        for endpoint in endpoints {
            wait_until_it_answers(&Target::small(endpoint), &mut running).context("the origin does not start")?;
        }
        Ok(Self { endpoints, _running: running })
    }

    /// What has reached it so far, the asking included.
    pub(crate) fn count(&self) -> Result<Count> {
        let target = Target::small(self.endpoints[0]).at("/count");
        let text = Wire::plain(target.address).and_then(|mut wire| wire.ask(&target.request()))?.text;
        parse(&text).with_context(|| format!("the origin does not count: {text:?}"))
    }
}

fn configuration(folder: &Path, endpoints: [SocketAddr; 2]) -> String {
    let small = "x".repeat(128);
    let folder = folder.display();
    let server = |endpoint: SocketAddr| {
        format!(
            r#"
    server {{
        listen {endpoint} backlog=4096;
        root {folder};
        location = / {{ return 200 "{small}"; }}
        # `return` alone would answer before the body has come. `mirror` makes nginx read all of it first, `empty_gif`
        # refuses any POST, and the refusal becomes the answer.
        location = /upload {{ mirror /read; empty_gif; error_page 405 =200 /; }}
        location = /read {{ internal; return 204; }}
        location = /count {{ stub_status; }}
    }}
"#
        )
    };
    let [one, two] = endpoints.map(server);
    format!(
        "{}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=8;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_max_body_size 4m;
    client_body_buffer_size 1m;
    {}
{one}{two}}}
",
        start(1),
        temporary_paths()
    )
}

/// What begins every configuration of nginx here.
pub(crate) fn start(workers: usize) -> String {
    // Its workers must read what the bench has written.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}\nworker_processes {workers};\ndaemon off;\npid nginx.pid;\nerror_log stderr error;\nworker_rlimit_nofile 8192;\n"
    )
}

/// nginx's folders for bodies, below its prefix: those that are built in belong to the system's.
pub(crate) fn temporary_paths() -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    paths.map(|name| format!("{name}_temp_path {name};")).join(" ")
}

/// What `stub_status` says.
fn parse(text: &str) -> Option<Count> {
    let line = text.lines().skip_while(|line| !line.contains("accepts")).nth(1)?;
    let mut figures = line.split_whitespace().map(|figure| figure.parse().ok());
    let (connections, _handled, requests) = (figures.next()??, figures.next()??, figures.next()??);
    Some(Count { connections, requests })
}

/// Holds what the origin saw against what clients got: nobody else may have answered.
pub(crate) fn judge(before: Count, after: Count, answers: u64) -> Result<u64> {
    // The second look is a request itself.
    let (requests, connections) = (after.requests - before.requests - 1, after.connections - before.connections - 1);
    if requests < answers {
        bail!("{answers} answers came, but only {requests} requests reached the origin");
    }
    Ok(connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str =
        "Active connections: 2 \nserver accepts handled requests\n 17 17 4321 \nReading: 0 Writing: 1 Waiting: 1 \n";

    #[test]
    fn the_origin_counts() {
        assert_eq!(parse(STATUS), Some(Count { connections: 17, requests: 4321 }));
        for text in ["", "accepts handled requests", "accepts handled requests\n 1 2", "accepts\n a b c"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn answers_that_the_origin_did_not_give_are_found() {
        let at = |connections, requests| Count { connections, requests };
        assert_eq!(judge(at(5, 100), at(9, 1101), 1000).unwrap(), 3);
        assert_eq!(judge(at(5, 100), at(6, 1165), 1000).unwrap(), 0);
        assert!(judge(at(5, 100), at(6, 1100), 1000).is_err());
    }
}
