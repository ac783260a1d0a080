//! Version 1 of the guest that stamps its version.

sluice_guests::stamps!(1);
