//! The contract, as every project gets it, and the world of a project with its hooks.

/// The files of `wit/`, by name.
pub(super) const CONTRACT: &[(&str, &str)] = &[
    ("cells.wit", include_str!("../../../../wit/cells.wit")),
    ("endpoints.wit", include_str!("../../../../wit/endpoints.wit")),
    ("feedback.wit", include_str!("../../../../wit/feedback.wit")),
    ("lifecycle.wit", include_str!("../../../../wit/lifecycle.wit")),
    ("log.wit", include_str!("../../../../wit/log.wit")),
    ("members.wit", include_str!("../../../../wit/members.wit")),
    ("metrics.wit", include_str!("../../../../wit/metrics.wit")),
    ("reports.wit", include_str!("../../../../wit/reports.wit")),
    ("response.wit", include_str!("../../../../wit/response.wit")),
    ("routing.wit", include_str!("../../../../wit/routing.wit")),
    ("sealing.wit", include_str!("../../../../wit/sealing.wit")),
    ("selection.wit", include_str!("../../../../wit/selection.wit")),
    ("setup.wit", include_str!("../../../../wit/setup.wit")),
    ("state.wit", include_str!("../../../../wit/state.wit")),
    ("store.wit", include_str!("../../../../wit/store.wit")),
    ("timer.wit", include_str!("../../../../wit/timer.wit")),
    ("types.wit", include_str!("../../../../wit/types.wit")),
    ("upstreams.wit", include_str!("../../../../wit/upstreams.wit")),
    ("worlds.wit", include_str!("../../../../wit/worlds.wit")),
];

/// The world of a plugin that imports and exports these beside what every plugin does.
pub(super) fn world(interfaces: &[(&str, &str)]) -> String {
    let lines: String = interfaces.iter().map(|(way, name)| format!("  {way} sluice:plugin/{name}@0.1.0;\n")).collect();
    format!(
        "package local:plugin;\n\n/// What this plugin answers, and what it may ask beside `base`.\n\
         world plugin {{\n  include sluice:plugin/base@0.1.0;\n{lines}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_gets_the_whole_contract() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, CONTRACT.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
