//! What the guests share: the rule when to misbehave, and a macro each for guests that do one thing in any hook and for
//! those that stamp a version. A guest misbehaves only in the hook that the request field `x-misbehave` names, so that
//! it passes the trial before it goes live, and so that the request after the bad one shows whether all is well again.

use sluice_plugin::Request;

/// True if the request asks for trouble in that hook.
pub fn is_asked(request: &Request, hook: &str) -> bool {
    request.header("x-misbehave").is_some_and(|hooks| hooks.split(' ').any(|asked| asked == hook))
}

/// A guest that calls a function in whichever hook the request names, and has no opinion otherwise.
#[macro_export]
macro_rules! misbehaves {
    ($act:path) => {
        use sluice_plugin::{
            Issues, Members, NoConfig, Plugin, Request, Response, ResponseHead, Routing, Selection, Setup, response, routing,
            selection,
        };

        struct Guest;
        sluice_plugin::export!(Guest: Routing, Selection, Response);

        impl Plugin for Guest {
            type Config = NoConfig;

            fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
                setup.see_request();
                Ok(Self)
            }
        }

        impl Routing for Guest {
            fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
                if $crate::is_asked(request, "routing") {
                    $act();
                }
                routing::Decision::pass()
            }
        }

        impl Selection for Guest {
            fn set_endpoints(&mut self, _: &Members) {}

            fn select(&mut self, _: selection::Input, request: Option<&Request>) -> selection::Decision {
                if request.is_some_and(|request| $crate::is_asked(request, "selection")) {
                    $act();
                }
                selection::Decision::pass()
            }
        }

        impl Response for Guest {
            fn respond(&mut self, request: &Request, _: &ResponseHead, _: response::Exchange) -> response::Action {
                if $crate::is_asked(request, "response") {
                    $act();
                }
                response::Action::Done
            }
        }
    };
}

/// A guest that stamps its version in all three hooks: on the request (`x-routed-by`), in the tag of its choice, which
/// comes back in `x-selected-by`, and on the response (`x-answered-by`).
#[macro_export]
macro_rules! stamps {
    ($version:literal) => {
        use sluice_plugin::{
            Issues, Members, NoConfig, Plugin, Request, Response, ResponseHead, Routing, Selection, Setup, response, routing,
            selection,
        };

        struct Guest;
        sluice_plugin::export!(Guest: Routing, Selection, Response);

        impl Plugin for Guest {
            type Config = NoConfig;

            fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
                Ok(Self)
            }
        }

        impl Routing for Guest {
            fn route(&mut self, _: routing::Input, request: &Request) -> routing::Decision {
                request.set_header("x-routed-by", concat!("v", $version)).expect("a legal field");
                routing::Decision::pass()
            }
        }

        impl Selection for Guest {
            fn set_endpoints(&mut self, _: &Members) {}

            fn select(&mut self, _: selection::Input, _: Option<&Request>) -> selection::Decision {
                selection::Decision::pass().tagged($version)
            }
        }

        impl Response for Guest {
            fn respond(&mut self, _: &Request, head: &ResponseHead, exchange: response::Exchange) -> response::Action {
                if exchange.tag != 0 {
                    head.append_header("x-selected-by", &format!("v{}", exchange.tag)).expect("a legal field");
                }
                head.append_header("x-answered-by", concat!("v", $version)).expect("a legal field");
                response::Action::Done
            }
        }
    };
}
