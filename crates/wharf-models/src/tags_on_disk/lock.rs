//! The lock of a repository: one exclusive, or any number shared.

/// What the lock is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Beside others that take it shared.
    Shared,
    /// Alone.
    Exclusive,
}

/// Which actors have the lock, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Lock {
    shared: u8,
    exclusive: u8,
}

// === impl Mode ===

impl Mode {
    pub(super) fn step_name(self) -> &'static str {
        match self {
            Self::Shared => super::step::LOCK_SHARED,
            Self::Exclusive => super::step::LOCK_EXCLUSIVE,
        }
    }
}

// === impl Lock ===

impl Lock {
    pub(super) fn is_free(self, mode: Mode) -> bool {
        match mode {
            Mode::Shared => self.exclusive == 0,
            Mode::Exclusive => self.exclusive == 0 && self.shared == 0,
        }
    }

    pub(super) fn acquire(&mut self, mode: Mode, actor: usize) {
        match mode {
            Mode::Shared => self.shared |= 1 << actor,
            Mode::Exclusive => self.exclusive |= 1 << actor,
        }
    }

    pub(super) fn release(&mut self, actor: usize) {
        self.shared &= !(1 << actor);
        self.exclusive &= !(1 << actor);
    }
}
