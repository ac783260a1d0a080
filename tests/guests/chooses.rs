//! Chooses the endpoint whose id the request names in `x-endpoint`, on the first attempt; a list names one for each
//! attempt. Without that field, and after the end of the list, it passes.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{Issues, Members, NoConfig, Plugin, Request, Selection, Setup};

struct Guest {
    ids: Vec<String>,
}

sluice_plugin::export!(Guest: Selection);

impl Plugin for Guest {
    type Config = NoConfig;

    fn new(_: NoConfig, setup: &Setup) -> Result<Self, Issues> {
        setup.see_request();
        Ok(Self { ids: Vec::new() })
    }
}

impl Selection for Guest {
    fn set_endpoints(&mut self, members: &Members) {
        self.ids = members.ids();
    }

    fn select(&mut self, input: Input, request: Option<&Request>) -> Decision {
        let wanted = request.and_then(|request| request.header("x-endpoint"));
        let wanted = wanted.as_deref().and_then(|list| list.split(' ').nth(input.attempt as usize));
        match wanted.and_then(|wanted| self.ids.iter().position(|id| id == wanted)) {
            Some(endpoint) => Decision::endpoint(endpoint as u32),
            None => Decision::pass(),
        }
    }
}
