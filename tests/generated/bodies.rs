//! Plugins whose hooks do something at random: everything around that is as it should be, so that they are taken and called.
//! wasm-smith makes a module of a given shape; the functions that keep the contract then get the bodies that they have in that
//! shape, and what is left of wasm-smith's is the function that all hooks call, and whatever that calls.

use std::fmt::Write;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use wasm_encoder::{CodeSection, Module, RawSection};
use wasm_smith::Config;
use wasmparser::{ExternalKind, Parser, Payload};
use wit_component::StringEncoding;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, WasmImport, WorldItem};

use crate::text::{Contract, contract, wrap};

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| contract(&[]));

/// What the module looks like. Two ways to answer: by the bits of what the body gives, or with what it gives, wherever in memory
/// that may point; the second gets no request, since it would have to give it back.
struct Shape {
    module: Vec<u8>,
    /// Functions that are imported.
    imported: u32,
}

static SHAPES: LazyLock<[Shape; 2]> = LazyLock::new(|| [false, true].map(Shape::new));

/// Bytes that wasm-smith makes a module of.
const NUMBERS: usize = 4096;

/// The component with that number, and whether it answers with whatever its body gives.
pub fn component(number: u64) -> Result<Vec<u8>, String> {
    let shape = &SHAPES[number as usize % 2];
    let mut random = fastrand::Rng::with_seed(number);
    let mut numbers = vec![0; NUMBERS];
    random.fill(&mut numbers);
    let module = wasm_smith::Module::new(config(shape), &mut Unstructured::new(&numbers));
    let module = module.map_err(|error| error.to_string())?.to_bytes();
    wrap(shape.mend(&module), &CONTRACT, StringEncoding::UTF8)
}

/// What the gateway's engine takes, and no more than a plugin may have.
fn config(shape: &Shape) -> Config {
    Config {
        module_shape: Some(shape.module.clone()),
        allow_start_export: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        threads_enabled: false,
        max_data_segments: 4,
        max_element_segments: 4,
        max_funcs: shape.imported as usize + 40,
        min_funcs: 4,
        max_instructions: 400,
        max_table_elements: 1_000,
        max_tables: 1,
        // The shape's own types have room as well.
        max_type_size: 100_000,
        ..Config::default()
    }
}

impl Shape {
    fn new(raw: bool) -> Self {
        let imports = imports();
        let number = |name: &str| imports.iter().position(|(_, known, _)| known == name).unwrap();
        let mut text = String::from("(module\n");
        for (interface, name, signature) in &imports {
            writeln!(text, "(import \"{interface}\" \"{name}\" (func {signature}))").unwrap();
        }
        // Called by number: the module that has this shape knows no names.
        let (body, drop_request, drop_head) =
            (imports.len(), number("[resource-drop]request"), number("[resource-drop]response-head"));
        let (see, respond) = (number("see-request"), number("respond"));
        let see = if raw { String::new() } else { format!("(call {see})") };
        let decide = if raw {
            ""
        } else {
            "(local.set $asked) (i32.store8 (i32.const 16) (i32.and (local.get $asked) (i32.const 3)))
             (i32.store (i32.const 24) (i32.and (i32.shr_u (local.get $asked) (i32.const 2)) (i32.const 511))) (i32.const 16)"
        };
        let moment = "(param $asked i32) (param $key i64) (param $random i64) (param $now i64)";
        let plugin = "export \"sluice:plugin";
        write!(
            text,
            r#"(memory (export "memory") 2 64)
            (func (export "body") (param i32 i64 i64 i64 i32 i32 i32) (result i32) (i32.const 0))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
            (func ({plugin}/lifecycle@0.1.0#describe") (result i32)
              (memory.fill (i32.const 128) (i32.const 0) (i32.const 32)) (i32.const 128))
            (func ({plugin}/lifecycle@0.1.0#configure") (param i32 i32) (result i32)
              {see} (call {respond} (i32.const 2))
              (memory.fill (i32.const 160) (i32.const 0) (i32.const 16)) (i32.const 160))
            (func ({plugin}/selection@0.1.0#set-endpoints") (param i32))
            (func ({plugin}/selection@0.1.0#select") {moment} (param $attempt i32) (param $has i32) (param $request i32) (result i32)
              (call {body} (local.get $asked) (local.get $key) (local.get $random) (local.get $now)
                (local.get $attempt) (local.get $has) (local.get $request))
              {decide}
              (if (local.get $has) (then (call {drop_request} (local.get $request)))))
            (func ({plugin}/routing@0.1.0#route") {moment} (param $request i32) (result i32)
              (call {body} (local.get $asked) (local.get $key) (local.get $random) (local.get $now)
                (i32.const 0) (i32.const 1) (local.get $request))
              {decide}
              (call {drop_request} (local.get $request)))
            (func ({plugin}/response@0.1.0#respond") (param $request i32) (param $head i32) (param i32 i32 i64 i32 i32)
              (param $random i64) (param $now i64) (result i32)
              (call {body} (i32.const 0) (i64.const 0) (local.get $random) (local.get $now)
                (i32.const 1) (local.get $head) (local.get $request))
              (i32.and (i32.const 3))
              (call {drop_request} (local.get $request)) (call {drop_head} (local.get $head)))
            (func ({plugin}/feedback@0.1.0#observe") (param i32 i32))
            (func ({plugin}/timer@0.1.0#tick") (param i64))
            (func ({plugin}/state@0.1.0#save") (result i32) (i64.store (i32.const 160) (i64.const 0)) (i32.const 160))
            (func ({plugin}/state@0.1.0#restore") (param i32 i32 i32 i32) (result i32)
              (memory.fill (i32.const 160) (i32.const 0) (i32.const 16)) (i32.const 160)))"#
        )
        .unwrap();
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self { module, imported: imports.len() as u32 }
    }

    /// The same module with this shape's own functions, all but the one that is at random.
    fn mend(&self, module: &[u8]) -> Vec<u8> {
        let own = parts(&self.module);
        let made = parts(module);
        assert!(made.exports.starts_with(&own.exports), "another shape: {:?}, {:?}", own.exports, made.exports);
        let mut mended = Module::new();
        let mut bodies = CodeSection::new();
        let of_own = own.exports.iter().filter(|(name, _)| name != "body");
        let of_own: Vec<usize> = of_own.map(|(_, number)| (number - self.imported) as usize).collect();
        for (number, body) in made.bodies.iter().enumerate() {
            bodies.raw(if of_own.contains(&number) { own.bodies[number] } else { body });
        }
        for (id, data) in made.sections {
            match id {
                CODE => mended.section(&bodies),
                _ => mended.section(&RawSection { id, data }),
            };
        }
        mended.finish()
    }
}

/// The number of the section that has the bodies.
const CODE: u8 = 10;

struct Parts<'a> {
    sections: Vec<(u8, &'a [u8])>,
    bodies: Vec<&'a [u8]>,
    /// Functions, by name.
    exports: Vec<(String, u32)>,
}

fn parts(module: &[u8]) -> Parts<'_> {
    let mut parts = Parts { sections: Vec::new(), bodies: Vec::new(), exports: Vec::new() };
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.unwrap();
        if let Some((id, range)) = payload.as_section() {
            parts.sections.push((id, &module[range]));
        }
        match payload {
            Payload::CodeSectionEntry(body) => parts.bodies.push(&module[body.range()]),
            Payload::ExportSection(exports) => {
                let exports =
                    exports.into_iter().map(Result::unwrap).filter(|export| export.kind == ExternalKind::Func);
                parts.exports = exports.map(|export| (export.name.to_owned(), export.index)).collect();
            }
            _ => {}
        }
    }
    parts
}

/// Every function that a plugin may import: interface, name, signature.
fn imports() -> Vec<(String, String, String)> {
    let (resolve, world) = &*CONTRACT;
    let mangling = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut all = Vec::new();
    for (key, import) in &resolve.worlds[*world].imports {
        let WorldItem::Interface { id, .. } = import else { continue };
        let name = resolve.name_world_key(key);
        // Whoever imports that is refused.
        if name.starts_with("wasi:http") {
            continue;
        }
        for function in resolve.interfaces[*id].functions.values() {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            let import = WasmImport::Func { interface: Some(key), func: function };
            let (module, name) = resolve.wasm_import_name(mangling, import);
            let signature = types("param", &signature.params) + &types("result", &signature.results);
            all.push((module, name, signature));
        }
    }
    for resource in ["request", "response-head"] {
        all.push(("sluice:plugin/types@0.1.0".into(), format!("[resource-drop]{resource}"), "(param i32)".into()));
    }
    all
}

fn types(keyword: &str, types: &[WasmType]) -> String {
    let core = |ty: &WasmType| match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    };
    types.iter().map(|ty| format!("({keyword} {}) ", core(ty))).collect()
}
