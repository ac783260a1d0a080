//! A plugin built for a contract that this gateway does not speak yet.

wit_bindgen::generate!({
    inline: "
        package sluice:plugin@0.2.0;
        interface lifecycle {
            record description { name: string, version: string, summary: string, config-schema: string }
            record issue { at: string, message: string }
            describe: func() -> description;
            configure: func(config: string) -> result<_, list<issue>>;
        }
        interface selection {
            set-endpoints: func(count: u32);
            select: func(mood: u32) -> u32;
        }
        world selector { export lifecycle; export selection; }
    ",
});

use exports::sluice::plugin::{lifecycle, selection};

struct Guest;
export!(Guest);

impl lifecycle::Guest for Guest {
    fn describe() -> lifecycle::Description {
        let description = |text: &str| text.to_owned();
        lifecycle::Description {
            name: description("newer"),
            version: description("0.2.0"),
            summary: description("Ahead of its time"),
            config_schema: String::new(),
        }
    }

    fn configure(_: String) -> Result<(), Vec<lifecycle::Issue>> {
        Ok(())
    }
}

impl selection::Guest for Guest {
    fn set_endpoints(_: u32) {}

    fn select(mood: u32) -> u32 {
        mood
    }
}
