//! Traps.

sluice_guests::misbehaves!(core::arch::wasm32::unreachable);
