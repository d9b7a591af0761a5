//! The language a peer says it is written in.

use std::fmt;

/// A newtype, not an enum: an unknown number is kept, and never an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Language(pub u8);

impl Language {
    /// What brokers and name servers say they are, so that tools that decode the name know it.
    pub const JAVA: Self = Self(0);
    /// The C++ client; it reads JSON headers only.
    pub const CPP: Self = Self(1);
    /// .NET.
    pub const DOTNET: Self = Self(2);
    /// Python.
    pub const PYTHON: Self = Self(3);
    /// Delphi.
    pub const DELPHI: Self = Self(4);
    /// Erlang.
    pub const ERLANG: Self = Self(5);
    /// Ruby.
    pub const RUBY: Self = Self(6);
    /// Any other, also a name that is not in the list.
    pub const OTHER: Self = Self(7);
    /// An HTTP gateway.
    pub const HTTP: Self = Self(8);
    /// The Go client.
    pub const GO: Self = Self(9);
    /// PHP.
    pub const PHP: Self = Self(10);
    /// OpenMessaging.
    pub const OMS: Self = Self(11);
    /// Rust.
    pub const RUST: Self = Self(12);
    /// Node.js.
    pub const NODE_JS: Self = Self(13);

    /// The name that stands in JSON; `OTHER` for an unknown number, since tools decode it as an enum.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("OTHER")
    }

    /// The language of this name; an unknown name is [`Language::OTHER`].
    pub fn from_name(name: &str) -> Self {
        let index = NAMES.iter().position(|known| *known == name);
        index.and_then(|index| u8::try_from(index).ok()).map_or(Self::OTHER, Self)
    }
}

/// Index = number on the wire.
const NAMES: [&str; 14] = [
    "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST",
    "NODE_JS",
];

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// As its name.
impl serde::Serialize for Language {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Language {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(Self::from_name(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        assert_eq!(Language::GO.name(), "GO");
        assert_eq!(Language::from_name("NODE_JS"), Language::NODE_JS);
        for number in 0..NAMES.len() as u8 {
            assert_eq!(Language::from_name(Language(number).name()), Language(number));
        }
    }

    #[test]
    fn what_is_not_in_the_list_is_other() {
        assert_eq!(Language::from_name("COBOL"), Language::OTHER);
        assert_eq!(Language(200).name(), "OTHER");
    }
}
