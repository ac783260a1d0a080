//! Why a client is cut off.

use std::fmt;

/// Why a connection, or a stream of one, was cut off before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Threw requests of HTTP/2 away, or made the gateway do so (CVE-2023-44487, CVE-2025-8671).
    Resets,
    /// Sent frames of HTTP/2 that bring nothing (CVE-2019-9512, 9515, 9516, 9518 and their kind).
    Frames,
    /// Sent frames of HTTP/2 that are none (RFC 9113 §6).
    Malformed,
    /// Began a request head and did not end it.
    Head,
    /// Took nothing of what waited for it.
    Stalled,
    /// Took it at less than the minimum rate.
    Slow,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Resets, Self::Frames, Self::Malformed, Self::Head, Self::Stalled, Self::Slow];

    /// As metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Frames => "frames",
            Self::Malformed => "malformed",
            Self::Head => "head",
            Self::Stalled => "stalled",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resets => "too many streams were reset",
            Self::Frames => "too many frames that bring nothing",
            Self::Malformed => "a frame against the rules",
            Self::Head => "a request head did not come in time",
            Self::Stalled => "the client takes nothing",
            Self::Slow => "the client takes too little",
        })
    }
}
