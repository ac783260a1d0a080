//! When an endpoint is out, in use, and what was counted of it.

use super::*;

#[test]
fn it_is_out_until_its_time_is_over_and_only_once_at_a_time() {
    let figures = Figures::new(true, Instant::now());
    let at = |seconds| figures.born + Duration::from_secs(seconds);
    let out_for = Duration::from_secs(10);
    assert!(figures.eject(at(5), out_for, 1, Fault::Errors) && !figures.eject(at(6), out_for, 2, Fault::Failures));
    assert_eq!(figures.ejected_for(at(11)), Some(Duration::from_secs(4)));
    assert!(figures.is_ejected() && !figures.take_back(at(14)));
    assert!(figures.take_back(at(15)) && !figures.take_back(at(15)) && !figures.is_ejected());
    assert_eq!(figures.ejections(at(18)), (1, Duration::from_secs(3)));
    assert_eq!(Fault::ALL.map(|fault| figures.ejected(fault)), [0, 1, 0]);
}

#[test]
fn it_begins_to_be_in_use_whenever_it_was_not() {
    let figures = Figures::new(true, Instant::now());
    let at = |seconds| figures.born + Duration::from_secs(seconds);
    let of = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(figures.in_use_for(true, at(1), true), None, "since the start");
    assert_eq!(figures.in_use_for(false, at(2), false), None);
    assert_eq!(figures.in_use_for(true, at(3), true), None, "nobody noted that it was out");
    assert_eq!(figures.in_use_for(false, at(4), true), None);
    assert_eq!(figures.in_use_for(true, at(5), false), of(0));
    assert_eq!(figures.in_use_for(true, at(6), true), of(0));
    assert_eq!(figures.in_use_for(true, at(9), true), of(3));
    assert_eq!(Figures::new(false, Instant::now()).in_use_for(true, Instant::now(), true), of(0), "it has just joined");
}

#[test]
fn what_was_counted_is_taken_once() {
    let window = Window::default();
    [true, false, true].into_iter().for_each(|is_good| window.count(is_good));
    assert_eq!((window.take(), window.take()), ((3, 2), (0, 0)));
}
