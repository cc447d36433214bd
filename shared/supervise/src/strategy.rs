//! Who is restarted, and when, after an exit. Pure.

use std::ops::Range;

use crate::exit::ExitStatus;

/// Which siblings share the fate of a child that is restarted (Erlang/OTP's names and meaning).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Only the child itself.
    #[default]
    OneForOne,
    /// The child and those started after it.
    RestForOne,
    /// All children.
    OneForAll,
}

impl Strategy {
    /// The children, by position, that restart when the one at `failed` does.
    pub(crate) fn affected(self, failed: usize, children: usize) -> Range<usize> {
        match self {
            Self::OneForOne => failed..failed + 1,
            Self::RestForOne => failed..children,
            Self::OneForAll => 0..children,
        }
    }
}

/// Whether a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it ended with [`ExitStatus::Success`].
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    pub(crate) fn applies(self, status: &ExitStatus) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => !matches!(status, ExitStatus::Success),
            Self::Temporary => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_takes_its_share() {
        assert_eq!(Strategy::OneForOne.affected(1, 4), 1..2);
        assert_eq!(Strategy::RestForOne.affected(1, 4), 1..4);
        assert_eq!(Strategy::OneForAll.affected(1, 4), 0..4);
    }

    #[test]
    fn each_policy_judges_the_exit() {
        let failed = ExitStatus::failed("disk full");
        assert!(Restart::Permanent.applies(&ExitStatus::Success));
        assert!(!Restart::Transient.applies(&ExitStatus::Success));
        assert!(Restart::Transient.applies(&failed));
        assert!(!Restart::Temporary.applies(&failed));
    }
}
