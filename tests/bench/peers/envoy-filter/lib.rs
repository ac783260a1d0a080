//! The least that a proxy-wasm filter does: it sets one header of the response.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(SetsHeader) });
}}

struct SetsHeader;

impl Context for SetsHeader {}

impl HttpContext for SetsHeader {
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("x-content-type-options", Some("nosniff"));
        Action::Continue
    }
}
