//! Components from text, for what no compiler of Rust would make: a core module in WebAssembly text that keeps the canonical
//! ABI of the contract by hand, wrapped as a component. As it stands it has no opinion in any hook; a test changes the part
//! that it is about, in the text's own words, and every hook misbehaves only where the request has a field `x-misbehave`, so
//! that the trial is passed and the request after the bad one shows whether all is well again.

use std::fmt::Write;
use std::fs;
use std::sync::LazyLock;

use wasm_encoder::{ComponentSection, Encode};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use super::guests::workspace;

/// A component in the making. Parts are text, between which stands what all have in common.
#[derive(Clone)]
pub struct Text {
    encoding: StringEncoding,
    memory: String,
    imports: String,
    items: String,
    hooks: [(&'static str, String); HOOKS.len()],
    realloc: String,
    renamed: Vec<(String, String)>,
}

/// A function that a component exports: its interface and name, its parameters and result, what it begins with, and what it
/// does where it means well.
struct Hook {
    interface: &'static str,
    name: &'static str,
    signature: &'static str,
    /// When the text of a test is run.
    asked: &'static str,
    well: &'static str,
}

const ALWAYS: &str = "(i32.const 1)";
const KEY: &str = "(local.get $asked)";

const HOOKS: [Hook; 11] = [
    Hook {
        interface: "lifecycle",
        name: "describe",
        signature: "(result i32)",
        asked: ALWAYS,
        // Four empty strings: the version is one of a digit.
        well: "(memory.fill (i32.const 128) (i32.const 0) (i32.const 32)) (i32.const 128)",
    },
    Hook {
        interface: "lifecycle",
        name: "configure",
        signature: "(param $config i32) (param $length i32) (result i32)",
        asked: ALWAYS,
        well: "(call $want_key (i32.const 256) (i32.const 1)) (call $see_request) (call $respond (i32.const 0))
               (call $tick (i32.const 10)) (call $fine)",
    },
    Hook {
        interface: "routing",
        name: "route",
        signature: "(param $asked i32) (param $key i64) (param $random i64) (param $now i64) (param $request i32) (result i32)",
        asked: KEY,
        well: "(call $drop_request (local.get $request)) (call $pass)",
    },
    Hook {
        interface: "selection",
        name: "set-endpoints",
        signature: "(param $count i32)",
        asked: ALWAYS,
        well: "(global.set $count (local.get $count))",
    },
    Hook {
        interface: "selection",
        name: "select",
        signature: "(param $asked i32) (param $key i64) (param $random i64) (param $now i64) (param $attempt i32)
                    (param $has i32) (param $request i32) (result i32)",
        asked: KEY,
        well: "(if (local.get $has) (then (call $drop_request (local.get $request)))) (call $pass)",
    },
    Hook {
        interface: "response",
        name: "respond",
        signature: "(param $request i32) (param $head i32) (param $is i32) (param $endpoint i32) (param $tag i64)
                    (param $attempts i32) (param $upstream i32) (param $random i64) (param $now i64) (result i32)",
        asked: "(call $is_asked (local.get $request))",
        well: "(call $drop_request (local.get $request)) (call $drop_head (local.get $head)) (i32.const 0)",
    },
    Hook {
        interface: "feedback",
        name: "observe",
        signature: "(param $all i32) (param $length i32)",
        asked: ALWAYS,
        well: "",
    },
    Hook { interface: "timer", name: "tick", signature: "(param $now i64)", asked: ALWAYS, well: "" },
    Hook {
        interface: "state",
        name: "save",
        signature: "(result i32)",
        asked: ALWAYS,
        well: "(i32.store (i32.const 160) (i32.const 256)) (i32.store (i32.const 164) (i32.const 8)) (i32.const 160)",
    },
    Hook {
        interface: "state",
        name: "restore",
        signature: "(param $version i32) (param $length i32) (param $saved i32) (param $size i32) (result i32)",
        asked: ALWAYS,
        well: "(call $fine)",
    },
    // What a language calls when its instance is made; no part of the contract.
    Hook { interface: "", name: "start", signature: "", asked: ALWAYS, well: "" },
];

/// What all have. Addresses below 1024 are theirs: 16 an answer of this component, 64 one of the host, 128 descriptions, 256
/// what to hash, 288 the name of the field; from 8192 on there is what the host brings.
const COMMON: &str = r#"
  (global $heap (mut i32) (i32.const 8192))
  (global $count (mut i32) (i32.const 0))
  (global $armed (mut i32) (i32.const 0))
  (data (i32.const 256) "\03\00\00\00\20\01\00\00\0b\00\00\00")
  (data (i32.const 288) "x-misbehave")
  (func $pass (result i32) (memory.fill (i32.const 16) (i32.const 0) (i32.const 24)) (i32.const 16))
  (func $decide (param $case i32) (param $what i32) (result i32)
    (drop (call $pass)) (i32.store8 (i32.const 16) (local.get $case)) (i32.store (i32.const 24) (local.get $what)) (i32.const 16))
  (func $fine (result i32) (memory.fill (i32.const 160) (i32.const 0) (i32.const 16)) (i32.const 160))
  (func $is_asked (param $request i32) (result i32)
    (call $header (local.get $request) (i32.const 288) (i32.const 11) (i32.const 64)) (i32.load8_u (i32.const 64)))
"#;

const IMPORTS: &str = r#"
  (import "sluice:plugin/setup@0.1.0" "want-key" (func $want_key (param i32 i32)))
  (import "sluice:plugin/setup@0.1.0" "see-request" (func $see_request))
  (import "sluice:plugin/setup@0.1.0" "respond" (func $respond (param i32)))
  (import "sluice:plugin/setup@0.1.0" "tick" (func $tick (param i32)))
  (import "sluice:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "sluice:plugin/types@0.1.0" "[method]request.header" (func $header (param i32 i32 i32 i32)))
  (import "sluice:plugin/types@0.1.0" "[resource-drop]request" (func $drop_request (param i32)))
  (import "sluice:plugin/types@0.1.0" "[resource-drop]response-head" (func $drop_head (param i32)))
"#;

impl Text {
    /// One with every hook, that has no opinion in any.
    pub fn new() -> Self {
        Self {
            encoding: StringEncoding::UTF8,
            memory: "(memory (export \"memory\") 4)".into(),
            imports: String::new(),
            items: String::new(),
            hooks: HOOKS.map(|hook| (hook.name, String::new())),
            realloc: String::new(),
            renamed: Vec::new(),
        }
    }

    /// One that does this in that hook before it answers; `$i` and `$j` are free to use. It may return an answer of its own.
    pub fn that(hook: &str, does: &str) -> Self {
        Self::new().and(hook, does)
    }

    /// And this in that hook.
    pub fn and(mut self, hook: &str, does: &str) -> Self {
        let part = self.hooks.iter_mut().find(|(name, _)| *name == hook);
        part.unwrap_or_else(|| panic!("no hook {hook}")).1 = does.into();
        self
    }

    /// Where the host asks for room while `$armed` is not 0; the parameters are `$old`, `$size`, `$align` and `$new`.
    pub fn realloc(mut self, does: &str) -> Self {
        self.realloc = does.into();
        self
    }

    /// More functions of the host, as `(import …)`.
    pub fn imports(mut self, imports: &str) -> Self {
        writeln!(self.imports, "{imports}").unwrap();
        self
    }

    /// More items of the module: functions, tables, data, exports. Addresses from 1024 on are free to use.
    pub fn items(mut self, items: &str) -> Self {
        writeln!(self.items, "{items}").unwrap();
        self
    }

    /// Another memory than four pages.
    pub fn memory(mut self, limits: &str) -> Self {
        self.memory = format!("(memory (export \"memory\") {limits})");
        self
    }

    /// Strings in UTF-16, or in Latin-1 where that is enough (`compact`).
    pub fn utf16(mut self, compact: bool) -> Self {
        self.encoding = if compact { StringEncoding::CompactUTF16 } else { StringEncoding::UTF16 };
        let field = r#""x-misbehave""#;
        if compact { self } else { self.with(field, r#""x\00-\00m\00i\00s\00b\00e\00h\00a\00v\00e\00""#) }
    }

    /// With something else in place of a piece of the text.
    pub fn with(mut self, piece: &str, instead: &str) -> Self {
        self.renamed.push((piece.into(), instead.into()));
        self
    }

    /// The module's text.
    pub fn module(&self) -> String {
        let mut text = format!("(module\n{IMPORTS}{}{}{COMMON}{}", self.imports, self.memory, self.items);
        for (hook, (_, does)) in HOOKS.iter().zip(&self.hooks) {
            let Hook { interface, name, signature, asked, well } = hook;
            let export = match *interface {
                "" if does.is_empty() => continue,
                "" => "(start $start) (func $start".to_owned(),
                _ => format!("(func (export \"sluice:plugin/{interface}@0.1.0#{name}\")"),
            };
            let does = if does.is_empty() { String::new() } else { format!("(if {asked} (then {does}))") };
            writeln!(
                text,
                "{export} {signature} (local $i i32) (local $j i32) (global.set $heap (i32.const 8192)) {does} {well})"
            )
            .unwrap();
        }
        let armed = match &*self.realloc {
            "" => String::new(),
            does => format!("(if (global.get $armed) (then {does}))"),
        };
        writeln!(
            text,
            r#"(func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
              {armed}
              (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
              (global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get $new)))))"#
        )
        .unwrap();
        self.renamed.iter().fold(text, |text, (piece, instead)| {
            assert!(text.contains(piece), "no {piece:?} in the text");
            text.replace(piece, instead)
        })
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        self.try_component().unwrap_or_else(|error| panic!("{error}\n{}", self.module()))
    }

    /// The component, or why it is none.
    fn try_component(&self) -> Result<Vec<u8>, String> {
        static CONTRACT: LazyLock<Contract> = LazyLock::new(|| contract(&[]));
        self.component_for(&CONTRACT)
    }

    /// For another contract.
    pub fn component_for(&self, contract: &Contract) -> Result<Vec<u8>, String> {
        let module = wat::parse_str(self.module()).map_err(|error| error.to_string())?;
        wrap(module, contract, self.encoding)
    }
}

/// A module that exports every hook, as a component. Nothing is validated: that is the gateway's to do.
pub fn wrap(mut module: Vec<u8>, contract: &Contract, encoding: StringEncoding) -> Result<Vec<u8>, String> {
    let (resolve, world) = contract;
    embed_component_metadata(&mut module, resolve, *world, encoding).map_err(said)?;
    let encoder = ComponentEncoder::default().validate(false).module(&module);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(said)
}

fn said(error: impl std::fmt::Display) -> String {
    format!("{error:#}")
}

/// What a component may import, and has to export.
pub type Contract = (Resolve, WorldId);

/// The whole contract, with something else in place of some pieces, and of WASI what guests are made to misuse.
pub fn contract(instead: &[(&str, &str)]) -> Contract {
    let folder = tempfile::tempdir().unwrap();
    let mut replaced = 0;
    for entry in fs::read_dir(workspace().join("wit")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        for (piece, other) in instead {
            replaced += text.matches(piece).count();
            text = text.replace(piece, other);
        }
        fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
    }
    assert!(replaced >= instead.len(), "not in the contract: {instead:?}");
    let mut resolve = Resolve::default();
    let package = resolve.push_dir(folder.path()).unwrap().0;
    let version = resolve.packages[package].name.version.clone().unwrap();
    for package in WASI.split("// ---\n") {
        resolve.push_str("wasi.wit", package).unwrap();
    }
    let guests = GUESTS.replace("plugin/complete@0.1.0", &format!("plugin/complete@{version}"));
    let guests = resolve.push_str("guests.wit", &guests).unwrap();
    let world = resolve.select_world(&[guests], Some("guest")).unwrap();
    (resolve, world)
}

const GUESTS: &str = "package tests:guests;
world guest {
  include sluice:plugin/complete@0.1.0;
  import wasi:cli/stdout@0.2.0;
  import wasi:cli/exit@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:random/random@0.2.0;
  import wasi:sockets/network@0.2.0;
  import wasi:sockets/tcp@0.2.0;
  import wasi:sockets/instance-network@0.2.0;
  import wasi:sockets/tcp-create-socket@0.2.0;
  import wasi:sockets/ip-name-lookup@0.2.0;
  import wasi:filesystem/types@0.2.0;
  import wasi:filesystem/preopens@0.2.0;
  import wasi:http/outgoing@0.2.0;
}";

const WASI: &str = "package wasi:io@0.2.0;
interface error { resource error; }
interface poll {
  resource pollable { ready: func() -> bool; block: func(); }
  poll: func(all: list<borrow<pollable>>) -> list<u32>;
}
interface streams {
  use error.{error};
  use poll.{pollable};
  variant stream-error { last-operation-failed(error), closed }
  resource output-stream {
    check-write: func() -> result<u64, stream-error>;
    write: func(contents: list<u8>) -> result<_, stream-error>;
    subscribe: func() -> pollable;
  }
}
// ---
package wasi:cli@0.2.0;
interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
interface exit { exit: func(status: result); }
// ---
package wasi:clocks@0.2.0;
interface monotonic-clock { now: func() -> u64; subscribe-duration: func(when: u64) -> own-pollable; use wasi:io/poll@0.2.0.{pollable as own-pollable}; }
// ---
package wasi:random@0.2.0;
interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
// ---
package wasi:sockets@0.2.0;
interface network { resource network; enum error-code { unknown, access-denied, not-supported } enum ip-address-family { ipv4, ipv6 } }
interface instance-network { use network.{network}; instance-network: func() -> network; }
interface tcp { resource tcp-socket; }
interface tcp-create-socket {
  use network.{error-code, ip-address-family};
  use tcp.{tcp-socket};
  create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
}
interface ip-name-lookup {
  use network.{network, error-code};
  resource resolve-address-stream;
  resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
}
// ---
package wasi:filesystem@0.2.0;
interface types {
  enum error-code { access, bad-descriptor }
  flags path-flags { symlink-follow }
  flags open-flags { create, directory, exclusive, truncate }
  resource descriptor { open-at: func(how: path-flags, path: string, open: open-flags) -> result<descriptor, error-code>; }
}
interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
// ---
package wasi:http@0.2.0;
interface outgoing { handle: func(); }
";

/// A component with another one inside it, which is made and started with it.
pub fn beside(component: &[u8], other: &str) -> Vec<u8> {
    let mut content = component.to_vec();
    let other = wat::parse_str(other).unwrap();
    // Each is numbered in the order in which it stands there.
    let number = nested(component);
    content.push(4);
    other.encode(&mut content);
    let mut instances = wasm_encoder::ComponentInstanceSection::new();
    instances.instantiate(number, Vec::<(&str, wasm_encoder::ComponentExportKind, u32)>::new());
    instances.append_to_component(&mut content);
    content
}

/// Components inside this one.
fn nested(component: &[u8]) -> u32 {
    let mut depth = 0;
    let mut count = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::ComponentSection { .. } => {
                count += u32::from(depth == 0);
                depth += 1;
            }
            wasmparser::Payload::ModuleSection { .. } => depth += 1,
            wasmparser::Payload::End(_) if depth > 0 => depth -= 1,
            _ => {}
        }
    }
    count
}
