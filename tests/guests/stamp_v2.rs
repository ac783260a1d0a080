//! Version 2 of the guest that stamps its version.

sluice_guests::stamps!(2);
