//! nginx, which adds no header fields of its own to requests.

use std::process::Command;

use anyhow::Result;

use super::{Program, Site};
use crate::origin::{start, temporary_paths};

pub(super) fn command(site: &Site<'_>, program: &Program, workers: usize) -> Result<Command> {
    let Site { folder, plain, secure, certificate, key, endpoints: [one, two], .. } = site;
    let configuration = format!(
        r#"{}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    {}
    tcp_nodelay on;
    keepalive_timeout 5m;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    # Bodies stream, as with the others: none goes to a file.
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    http2_max_concurrent_streams 100;
    upstream origin {{
        server {one};
        server {two};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_timeout 5m;
    }}
    server {{
        listen {plain} backlog=4096;
        listen {secure} ssl http2 backlog=4096;
        ssl_protocols TLSv1.3;
        ssl_certificate {};
        ssl_certificate_key {};
        location / {{ proxy_pass http://origin; }}
    }}
}}
"#,
        start(workers),
        temporary_paths(),
        certificate.display(),
        key.display(),
    );
    let file = site.write("nginx.conf", &configuration)?;
    let mut command = Command::new(&program.path);
    command.arg("-p").arg(folder).arg("-c").arg(file).args(["-e", "stderr"]);
    Ok(command)
}
