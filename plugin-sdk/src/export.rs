//! The one macro that a plugin calls: it makes a plugin type the component's exports.

/// Exports a plugin with the hooks that it serves, and no others: `export!(Sticky: Selection, Response);`.
///
/// Call it once, at the top of the crate. The crate builds to a component for `wasm32-wasip2`; on any other target nothing
/// is exported, so that the same crate can be tested natively.
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {
        // A hook that is named but not served is found on every target.
        const _: fn() = || {
            fn serves<P: $($crate::$hook +)+>() {}
            serves::<$plugin>();
        };

        #[cfg(target_family = "wasm")]
        const _: () = {
            impl $crate::component::Exported for $plugin {
                const NAME: &'static str = env!("CARGO_PKG_NAME");
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");
                const SUMMARY: &'static str = env!("CARGO_PKG_DESCRIPTION");

                fn slot() -> &'static $crate::component::Slot<Self> {
                    ::std::thread_local! {
                        static PLUGIN: ::std::cell::RefCell<Option<$plugin>> = const { ::std::cell::RefCell::new(None) };
                    }
                    &PLUGIN
                }
            }
            type Component = $crate::component::Component<$plugin>;
            $crate::bindings::lifecycle::export!(Component with_types_in $crate::bindings::lifecycle);
            $($crate::export_hook!($hook Component);)+
        };
    };
}

/// One exported interface of `export!`.
#[doc(hidden)]
#[macro_export]
macro_rules! export_hook {
    (Routing $component:ident) => {
        $crate::bindings::routing::export!($component with_types_in $crate::bindings::routing);
    };
    (Selection $component:ident) => {
        $crate::bindings::selection::export!($component with_types_in $crate::bindings::selection);
    };
    (Response $component:ident) => {
        $crate::bindings::response::export!($component with_types_in $crate::bindings::response);
    };
    (Feedback $component:ident) => {
        $crate::bindings::feedback::export!($component with_types_in $crate::bindings::feedback);
    };
    (Timer $component:ident) => {
        $crate::bindings::timer::export!($component with_types_in $crate::bindings::timer);
    };
    (State $component:ident) => {
        $crate::bindings::state::export!($component with_types_in $crate::bindings::state);
    };
}
