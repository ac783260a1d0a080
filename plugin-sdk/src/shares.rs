//! Endpoints side by side on a line, each as long as its share: a point on the line is a weighted choice.

use crate::EndpointIndex;

/// What each endpoint may take of the traffic, in no unit, from [`Members::shares`](crate::Members::shares). An endpoint
/// that may not be chosen has none.
///
/// ```
/// # use sluice_plugin::Shares;
/// let shares = Shares::new(&[2, 0, 1]);
/// assert_eq!((shares.total(), shares.of(2)), (3, 1));
/// assert_eq!([0, 1, 2].map(|point| shares.at(point)), [Some(0), Some(0), Some(2)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Where the part of each endpoint ends.
    ends: Vec<u64>,
}

impl Shares {
    /// These shares, by endpoint.
    pub fn new(shares: &[u32]) -> Self {
        let mut total = 0;
        let ends = shares.iter().map(|&share| {
            total += u64::from(share);
            total
        });
        Self { ends: ends.collect() }
    }

    /// The length of the line; 0 if no endpoint may be chosen.
    pub fn total(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where the part of that endpoint begins. An index out of range panics.
    pub fn start(&self, endpoint: EndpointIndex) -> u64 {
        (endpoint as usize).checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The share of that endpoint. An index out of range panics.
    pub fn of(&self, endpoint: EndpointIndex) -> u64 {
        self.ends[endpoint as usize] - self.start(endpoint)
    }

    /// The endpoint at that point of the line, found in O(log n); none at or past its end.
    pub fn at(&self, point: u64) -> Option<EndpointIndex> {
        let position = self.ends.partition_point(|&end| end <= point);
        (position < self.ends.len()).then_some(position as EndpointIndex)
    }

    /// Those that have a share, in order.
    pub fn choosable(&self) -> impl Iterator<Item = EndpointIndex> {
        (0..self.ends.len() as EndpointIndex).filter(|&endpoint| self.of(endpoint) > 0)
    }
}
