//! Where requests come in and plugins live: made from a configuration's text as the program makes it, without sockets.

use std::path::{Path, PathBuf};

use sluice_gateway::config::{self, Format};
use sluice_gateway::plugin::compile::{self, Compiler};
use sluice_gateway::plugin::{Host, SealingKeys, builtin};
use sluice_gateway::state::Entrance;

/// Whose claims a listener of [`entrance`] believes.
pub const TRUSTED: [&str; 2] = ["10.0.0.0/8", "2001:db8::/32"];
/// What a listener of [`entrance`] tells of its clients, if it tells anything.
pub const RESERVED: &str = "x-client-cert";

/// A listener with that rule for underscores (`drop`, `refuse` or `keep`), that trusts [`TRUSTED`].
pub fn entrance(underscores: &str, reserves: bool) -> Entrance {
    let text = format!(
        "[[listener]]\naddress = \"192.0.2.7:8080\"\ntrusted-proxies = {TRUSTED:?}\nunderscore-headers = \"{underscores}\"\n\
         [[route]]\nname = \"r\"\nupstream = \"u\"\n[[upstream]]\nname = \"u\"\nendpoints = [{{ address = \"10.0.0.1:80\" }}]"
    );
    let config = config(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut entrance = Entrance::build(&config, 0, None).unwrap_or_else(|problems| panic!("{problems}"));
    if reserves {
        // By a listener with certificates, which would need files.
        entrance.reserved = [http::HeaderName::from_static(RESERVED)].into();
    }
    entrance
}

/// A configuration of that text.
pub fn config(text: &str) -> Result<config::model::Config, config::Problems> {
    config::from_text(text, Format::Toml, Path::new("/"), "fuzz", &builtin::names())?.finish()
}

/// A host whose compiler is this program: see [`compile_if_asked`].
pub fn host() -> Host {
    let compiler =
        Compiler::new(std::env::current_exe().expect("this program"), compiled()).expect("a folder for code");
    Host::new(compiler).expect("a host")
}

/// Where [`host`] keeps compiled code.
pub fn compiled() -> PathBuf {
    std::env::temp_dir().join(format!("sluice-fuzz-{}", std::process::id()))
}

/// What the gateway does where it is called as a compiler; to be called before anything else.
pub fn compile_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == compile::COMMAND)
        && let Some(output) = arguments.next()
    {
        let compiled = compile::child(Path::new(&output), false);
        std::process::exit(compiled.is_err_and(|error| {
            eprint!("{error}");
            true
        }) as i32);
    }
}

/// Keys of sealed cookies.
pub fn keys() -> SealingKeys {
    SealingKeys { current: vec![7; 32], previous: None }
}
