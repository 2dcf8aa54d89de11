//! For tests only: the whole registry, through its socket.
