//! A call that a service answers: its subject and the types of request and reply, so that a mismatch does not compile.

use std::marker::PhantomData;

/// A call with one reply.
#[derive(Debug)]
pub struct Verb<Req, Rep> {
    /// The service that answers.
    pub service: &'static str,
    /// The call's name, unique within the service.
    pub name: &'static str,
    /// Where requests go.
    pub subject: &'static str,
    types: PhantomData<fn(Req) -> Rep>,
}

/// A call with a stream of numbered frames as its reply.
#[derive(Debug)]
pub struct StreamVerb<Req, Frame> {
    /// The service that answers.
    pub service: &'static str,
    /// The call's name, unique within the service.
    pub name: &'static str,
    /// Where requests go.
    pub subject: &'static str,
    types: PhantomData<fn(Req) -> Frame>,
}

macro_rules! constructors {
    ($name:ident) => {
        impl<Req, Rep> $name<Req, Rep> {
            pub(crate) const fn new(service: &'static str, name: &'static str, subject: &'static str) -> Self {
                Self { service, name, subject, types: PhantomData }
            }
        }

        impl<Req, Rep> Clone for $name<Req, Rep> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<Req, Rep> Copy for $name<Req, Rep> {}
    };
}

constructors!(Verb);
constructors!(StreamVerb);
