/// An enum that JSON names, in the order of the reference's ordinals. Some clients send the ordinal instead of the
/// name; what is neither is the default, since one odd member must not cost a client its whole heartbeat.
macro_rules! named_enum {
    ($(#[$type_doc:meta])* $type:ident, default $default:ident;
     $($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        $(#[$type_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$doc])* $variant,)*
        }

        impl $type {
            const KNOWN: &'static [(Self, &'static str)] = &[$((Self::$variant, $name)),*];

            /// The name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The variant of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::KNOWN.iter().find(|(_, known)| *known == name).map(|(variant, _)| *variant)
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self::$default
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                let by_ordinal = || {
                    let ordinal = usize::try_from(value.as_u64()?).ok()?;
                    Self::KNOWN.get(ordinal).map(|(variant, _)| *variant)
                };
                let by_name = || Self::from_name(value.as_str()?);
                Ok(by_name().or_else(by_ordinal).unwrap_or_default())
            }
        }
    };
}

pub(crate) use named_enum;
