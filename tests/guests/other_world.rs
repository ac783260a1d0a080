//! A component of a world that is not the gateway's.

wit_bindgen::generate!({
    inline: "
        package elsewhere:tool@1.0.0;
        interface greeting { greet: func(name: string) -> string; }
        world tool { export greeting; }
    ",
});

struct Guest;
export!(Guest);

impl exports::elsewhere::tool::greeting::Guest for Guest {
    fn greet(name: String) -> String {
        format!("hello {name}")
    }
}
