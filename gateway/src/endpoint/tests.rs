//! An endpoint for tests, and the verdict on it.

use super::*;

/// One of that id and weight, there from the start.
pub(crate) fn endpoint(id: &str, weight: u32) -> Arc<Endpoint> {
    Endpoint::new(model::Endpoint {
        id: id.into(),
        address: "127.0.0.1:1".into(),
        weight,
        priority: 0,
        zone: String::new(),
        labels: Default::default(),
        max_in_flight: None,
        draining: false,
    })
}

#[test]
fn what_speaks_against_it_outweighs_that_it_drains() {
    let endpoint = endpoint("a", 1);
    assert!(endpoint.set_drained(true) && !endpoint.set_drained(true));
    assert_eq!(endpoint.health(), Health::Draining);
    endpoint.set_checked(CheckVerdict::Bad, Some("503".into()));
    assert_eq!(endpoint.health(), Health::Unhealthy);
    endpoint.set_checked(CheckVerdict::Good, None);
    assert_eq!((endpoint.health(), endpoint.check_reason()), (Health::Draining, None));
    // Under other settings it is still the same one.
    let again = endpoint.under(model::Endpoint { weight: 2, ..endpoint.settings.clone() });
    assert!(again.is(&endpoint) && again.is_drained());
}

#[test]
fn a_row_ends_with_what_is_no_part_of_it() {
    let endpoint = endpoint("a", 1);
    assert_eq!([(); 3].map(|()| endpoint.gave_nothing()), [1, 2, 3]);
    endpoint.answered();
    assert_eq!(endpoint.gave_nothing(), 1);
    assert_eq!([false, false, true, false].map(|is_good| endpoint.went(is_good)), [1, 2, 0, 1]);
}
