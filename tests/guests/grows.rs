//! Keeps a mebibyte more with every call, as languages do that never give memory back. Says so when an instance is made,
//! counts its calls (`x-calls`), and hands the count over to the next instance.

use sluice_plugin::response::{Action, Exchange};
use sluice_plugin::{Issues, NoConfig, Plugin, Request, Response, ResponseHead, Setup, State};

struct Guest {
    kept: Vec<Vec<u8>>,
    calls: u64,
}

sluice_plugin::export!(Guest: Response, State);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        sluice_plugin::info!("made for slot {}", setup.worker());
        Ok(Self { kept: Vec::new(), calls: 0 })
    }
}

impl Response for Guest {
    fn respond(&mut self, _: &Request, head: &ResponseHead, _: Exchange) -> Action {
        self.kept.push(std::hint::black_box(Vec::with_capacity(1024 * 1024)));
        self.calls += 1;
        head.set_header("x-calls", &self.calls.to_string()).expect("a legal field");
        Action::Done
    }
}

impl State for Guest {
    fn save(&mut self) -> Vec<u8> {
        self.calls.to_le_bytes().to_vec()
    }

    fn restore(&mut self, _: &str, saved: Vec<u8>) -> Result<(), String> {
        self.calls = u64::from_le_bytes(saved.try_into().map_err(|_| "not eight bytes")?);
        Ok(())
    }
}
