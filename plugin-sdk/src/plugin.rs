//! What every plugin is: a value made from its configuration. The hooks that it serves are further traits; how a
//! configuration text becomes a typed value stands in `config`.

use crate::{Config, Issues, Setup};

/// A plugin: one value for each use and worker, made from the configuration of that use.
///
/// Name, version and summary come from the `name`, `version` and `description` of the crate that calls
/// [`export!`](crate::export!).
pub trait Plugin: Sized + 'static {
    /// The configuration: [`NoConfig`](crate::NoConfig), or a type of your own that derives `serde::Deserialize` and
    /// `schemars::JsonSchema` and denies unknown fields. A text that does not fit is refused, with the place of each
    /// mistake, before `new` is called.
    type Config: Config;

    /// Makes the plugin. This is the one place that may ask for anything ([`Setup`]); it has 500 ms, and no other call is
    /// made before it. Mistakes that types cannot express are reported all at once as [`Issues`]; the use is then refused,
    /// and what served before goes on serving.
    fn new(config: Self::Config, setup: &Setup) -> Result<Self, Issues>;
}
