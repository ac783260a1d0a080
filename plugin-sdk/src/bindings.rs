//! The component ABI, generated from the contract in `wit/`. One module holds all imports, one more for each exported
//! interface: every generated export macro carries the description of its own interface only, so a plugin exports
//! exactly the hooks that it names. Nothing here is written by hand, and nothing outside the crate names it.

/// All that a plugin may import, and the types that imports and exports share.
pub mod imports {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package sluice:sdk;
            world imports {
                import sluice:plugin/types@0.1.0;
                import sluice:plugin/setup@0.1.0;
                import sluice:plugin/log@0.1.0;
                import sluice:plugin/metrics@0.1.0;
                import sluice:plugin/cells@0.1.0;
                import sluice:plugin/store@0.1.0;
                import sluice:plugin/sealing@0.1.0;
                import sluice:plugin/members@0.1.0;
                import sluice:plugin/endpoints@0.1.0;
                import sluice:plugin/upstreams@0.1.0;
            }
        ",
        generate_all,
        additional_derives: [PartialEq, Eq],
        // A key source stands in configurations as the contract spells it: "client-ip", { header = "x-user" }.
        additional_type_attributes: {
            "sluice:plugin/types@0.1.0/key-source": [
                #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
                #[serde(rename_all = "kebab-case")]
            ],
        },
    });
}

/// What endpoints report, by itself: its figures are no whole numbers, so that they cannot be compared in every way.
pub mod reports {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package sluice:sdk;
            world reports { import sluice:plugin/types@0.1.0; import sluice:plugin/reports@0.1.0; }
        ",
        with: { "sluice:plugin/types@0.1.0": crate::bindings::imports::sluice::plugin::types },
        generate_all,
        additional_derives: [PartialEq],
    });
}

/// A module for one exported interface. Each world names `types`, because `with` must not name what a world lacks.
macro_rules! exported_interface {
    ($module:ident, $world:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                inline: $world,
                with: { "sluice:plugin/types@0.1.0": crate::bindings::imports::sluice::plugin::types },
                additional_derives: [PartialEq, Eq],
                pub_export_macro: true,
            });
        }
    };
}

exported_interface!(
    lifecycle,
    "
    package sluice:sdk;
    world lifecycle-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/lifecycle@0.1.0; }
"
);
exported_interface!(
    routing,
    "
    package sluice:sdk;
    world routing-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/routing@0.1.0; }
"
);
exported_interface!(
    selection,
    "
    package sluice:sdk;
    world selection-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/selection@0.1.0; }
"
);
exported_interface!(
    response,
    "
    package sluice:sdk;
    world response-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/response@0.1.0; }
"
);
exported_interface!(
    feedback,
    "
    package sluice:sdk;
    world feedback-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/feedback@0.1.0; }
"
);
exported_interface!(
    timer,
    "
    package sluice:sdk;
    world timer-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/timer@0.1.0; }
"
);
exported_interface!(
    state,
    "
    package sluice:sdk;
    world state-hook { import sluice:plugin/types@0.1.0; export sluice:plugin/state@0.1.0; }
"
);
