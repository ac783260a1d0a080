//! A plugin that would like to send requests of its own.

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package guest:wants-http;
        world guest {
            include sluice:plugin/selector@0.1.0;
            import wasi:http/outgoing@0.2.0;
        }
        package wasi:http@0.2.0 {
            interface outgoing { send: func(url: string) -> u16; }
        }
    ",
    generate_all,
});

use exports::sluice::plugin::{lifecycle, selection};

struct Guest;
export!(Guest);

impl lifecycle::Guest for Guest {
    fn describe() -> lifecycle::Description {
        let description = |text: &str| text.to_owned();
        lifecycle::Description {
            name: description("wants-http"),
            version: description("0.1.0"),
            summary: description("Would like to send requests of its own"),
            config_schema: String::new(),
        }
    }

    fn configure(_: String) -> Result<(), Vec<lifecycle::Issue>> {
        Ok(())
    }
}

impl selection::Guest for Guest {
    fn set_endpoints(_: u32) {}

    fn select(_: selection::Input, _: Option<&selection::Request>) -> selection::Decision {
        selection::Decision::Reject(wasi::http::outgoing::send("https://example.com/"))
    }
}
