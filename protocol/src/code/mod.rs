//! The numbers that say what a command is.

/// A newtype over `i32` with its known values in ascending order, their names, and `NAME(number)` as text.
macro_rules! codes {
    ($(#[$type_doc:meta])* $type:ident $($name:ident = $number:literal, $doc:literal;)*) => {
        $(#[$type_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(pub i32);

        impl $type {
            $(#[doc = $doc] pub const $name: Self = Self($number);)*

            /// All known codes in ascending order.
            pub const KNOWN: &'static [(Self, &'static str)] = &[$((Self::$name, stringify!($name))),*];

            /// The name, if the code is known.
            pub fn name(self) -> Option<&'static str> {
                let index = Self::KNOWN.binary_search_by_key(&self.0, |(code, _)| code.0).ok()?;
                Some(Self::KNOWN[index].1)
            }
        }

        const _: () = {
            let mut index = 1;
            while index < $type::KNOWN.len() {
                assert!($type::KNOWN[index - 1].0.0 < $type::KNOWN[index].0.0, "codes ascend");
                index += 1;
            }
        };

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", self.name().unwrap_or("UNKNOWN"), self.0)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub mod request;
pub mod response;

pub use request::RequestCode;
pub use response::ResponseCode;
