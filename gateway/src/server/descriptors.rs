//! Descriptors: how many this process may have, and how many clients that makes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For all that is neither a client nor an endpoint: listeners, event loops, files, the pools' idle connections.
const OTHERS: u64 = 128;

/// Raises the limit as far as the system lets anybody, and gives it. Nothing here uses `select`, which alone needs low numbers.
pub fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let most = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    most.unwrap_or(u64::MAX)
}

/// Clients that there are descriptors for: each may need another one to its endpoint.
pub fn room_for_clients(descriptors: u64) -> usize {
    usize::try_from(descriptors.saturating_sub(OTHERS) / 2).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_where_it_can_be() {
        let most = raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), most);
        assert_eq!([0, 128, 1_128].map(room_for_clients), [0, 0, 500]);
    }
}
