//! Caddy, without its own certificates and its own admin address.

use std::process::Command;

use anyhow::Result;

use super::{Program, Site};

pub(super) fn command(site: &Site<'_>, program: &Program) -> Result<Command> {
    let Site { folder, plain, secure, certificate, key, endpoints: [one, two], .. } = site;
    let configuration = format!(
        "{{
    admin off
    persist_config off
    auto_https off
    log {{
        level ERROR
    }}
    servers {{
        protocols h1 h2
    }}
}}
(origin) {{
    reverse_proxy {one} {two} {{
        lb_policy round_robin
        transport http {{
            keepalive_idle_conns_per_host 128
        }}
    }}
}}
http://:{} {{
    bind {}
    import origin
}}
https://:{} {{
    bind {}
    tls {} {} {{
        protocols tls1.3
    }}
    import origin
}}
",
        plain.port(),
        plain.ip(),
        secure.port(),
        secure.ip(),
        certificate.display(),
        key.display(),
    );
    let file = site.write("Caddyfile", &configuration)?;
    let mut command = Command::new(&program.path);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("GOMAXPROCS", "1").env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    Ok(command)
}
