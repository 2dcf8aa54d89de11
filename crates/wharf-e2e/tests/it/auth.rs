//! Who calls, through the socket: challenges byte for byte, the token endpoint's forms, and credentials that change under
//! load.

mod challenges;
mod endpoint;
mod groups;
mod guessing;
mod load;
mod world;
