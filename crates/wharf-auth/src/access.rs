//! What has been granted.

use std::fmt;
use std::marker::PhantomData;

use wharf_oci::RepositoryName;

use crate::authorizer::{Action, Authorizer, Refusal, Scope};
use crate::caller::Caller;

/// The right to act on one repository; `A` is [`Pull`], [`Push`] or [`Delete`].
///
/// It is an argument of whatever acts, so what nobody has granted cannot be done:
///
/// ```
/// use wharf_auth::{Access, AllowAll, Authorizer, Caller, Push, Refusal};
///
/// fn write(access: Access<Push>) {}
///
/// async fn handle(authorizer: &dyn Authorizer, caller: &Caller) -> Result<(), Refusal> {
///     write(Access::grant(authorizer, caller, "acme/app".parse().unwrap()).await?);
///     Ok(())
/// }
/// ```
///
/// The right to read is not the right to write:
///
/// ```compile_fail,E0308
/// use wharf_auth::{Access, Pull, Push};
///
/// fn write(access: Access<Push>) {}
///
/// fn handle(access: Access<Pull>) {
///     write(access);
/// }
/// ```
///
/// And nobody makes one for themselves:
///
/// ```compile_fail,E0451
/// use std::marker::PhantomData;
///
/// use wharf_auth::{Access, Push};
///
/// let access: Access<Push> = Access { repository: "acme/app".parse().unwrap(), action: PhantomData };
/// ```
#[derive(Clone)]
pub struct Access<A> {
    repository: RepositoryName,
    action: PhantomData<A>,
}

/// The right to read.
#[derive(Debug, Clone, Copy)]
pub enum Pull {}

/// The right to write.
#[derive(Debug, Clone, Copy)]
pub enum Push {}

/// The right to delete.
#[derive(Debug, Clone, Copy)]
pub enum Delete {}

/// The types that stand for an action.
pub trait Granted: sealed::Sealed {
    /// The action.
    const ACTION: Action;
}

impl Granted for Pull {
    const ACTION: Action = Action::Pull;
}

impl Granted for Push {
    const ACTION: Action = Action::Push;
}

impl Granted for Delete {
    const ACTION: Action = Action::Delete;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Pull {}
    impl Sealed for super::Push {}
    impl Sealed for super::Delete {}
}

impl<A: Granted> Access<A> {
    /// Asks the authorizer.
    pub async fn grant(
        authorizer: &dyn Authorizer,
        caller: &Caller,
        repository: RepositoryName,
    ) -> Result<Self, Refusal> {
        authorizer.allow(caller, Scope::Repository(&repository, A::ACTION)).await?;
        Ok(Self { repository, action: PhantomData })
    }

    /// The repository that may be acted on.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }
}

impl<A: Granted> fmt::Debug for Access<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({:?}, {})", A::ACTION, self.repository)
    }
}
