//! The two `sysFlag` words: of a message, stored with its record, and of a pull request.

/// `sysFlag` of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageSysFlag(pub i32);

impl MessageSysFlag {
    /// The body is compressed; by what, [`MessageSysFlag::compression`] says.
    pub const COMPRESSED: i32 = 0x001;
    /// Several tags: set by the broker for topics of that filter type.
    pub const MULTI_TAGS: i32 = 0x002;
    /// Both transaction bits.
    pub const TRANSACTION_MASK: i32 = 0x00C;
    /// A half message.
    pub const TRANSACTION_PREPARED: i32 = 0x004;
    /// A committed message.
    pub const TRANSACTION_COMMIT: i32 = 0x008;
    /// A rolled back message.
    pub const TRANSACTION_ROLLBACK: i32 = 0x00C;
    /// The born host takes 16 bytes.
    pub const BORN_HOST_V6: i32 = 0x010;
    /// The store host takes 16 bytes.
    pub const STORE_HOST_V6: i32 = 0x020;
    /// An inner batch that the consumer has to unroll.
    pub const NEEDS_UNWRAP: i32 = 0x040;
    /// An inner batch.
    pub const INNER_BATCH: i32 = 0x080;
    /// All compression bits.
    pub const COMPRESSION_MASK: i32 = 0x700;
    /// LZ4 frame format.
    pub const COMPRESSION_LZ4: i32 = 0x100;
    /// A zstd frame.
    pub const COMPRESSION_ZSTD: i32 = 0x200;
    /// zlib stream format.
    pub const COMPRESSION_ZLIB: i32 = 0x300;

    /// Whether the body is compressed.
    pub fn is_compressed(self) -> bool {
        self.0 & Self::COMPRESSED != 0
    }

    /// How the body is compressed, if it is. Old clients set no compression bits and mean zlib; a value that nobody
    /// has defined is `None` too.
    pub fn compression(self) -> Option<Compression> {
        if !self.is_compressed() {
            return None;
        }
        match self.0 & Self::COMPRESSION_MASK {
            0 | Self::COMPRESSION_ZLIB => Some(Compression::Zlib),
            Self::COMPRESSION_LZ4 => Some(Compression::Lz4),
            Self::COMPRESSION_ZSTD => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The two transaction bits: 0, prepared, commit or rollback.
    pub fn transaction(self) -> i32 {
        self.0 & Self::TRANSACTION_MASK
    }

    /// The same flags with other transaction bits.
    #[must_use]
    pub fn with_transaction(self, bits: i32) -> Self {
        assert_eq!(bits & !Self::TRANSACTION_MASK, 0, "only the transaction bits");
        Self(self.0 & !Self::TRANSACTION_MASK | bits)
    }

    /// Prepared and rolled back records have no place in a ConsumeQueue.
    pub fn is_queued(self) -> bool {
        !matches!(self.transaction(), Self::TRANSACTION_PREPARED | Self::TRANSACTION_ROLLBACK)
    }

    /// Whether the born host takes 16 bytes.
    pub fn born_host_is_v6(self) -> bool {
        self.0 & Self::BORN_HOST_V6 != 0
    }

    /// Whether the store host takes 16 bytes.
    pub fn store_host_is_v6(self) -> bool {
        self.0 & Self::STORE_HOST_V6 != 0
    }

    /// Whether the record is an inner batch.
    pub fn is_inner_batch(self) -> bool {
        self.0 & Self::INNER_BATCH != 0
    }
}

/// Format of a compressed body. The broker never looks inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// LZ4 frame format.
    Lz4,
    /// A zstd frame.
    Zstd,
    /// zlib stream format; the only one that the Go client reads.
    Zlib,
}

/// `sysFlag` of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullSysFlag(pub i32);

impl PullSysFlag {
    /// `commitOffset` is valid: store it.
    pub const COMMIT_OFFSET: i32 = 0x1;
    /// The request may be held until a message arrives.
    pub const SUSPEND: i32 = 0x2;
    /// `subscription` stands in the header and counts instead of the heartbeat's.
    pub const SUBSCRIPTION: i32 = 0x4;
    /// Class filter, dead.
    pub const CLASS_FILTER: i32 = 0x8;
    /// Lite pull.
    pub const LITE_PULL: i32 = 0x10;

    /// Whether `commitOffset` is to be stored.
    pub fn commits_offset(self) -> bool {
        self.0 & Self::COMMIT_OFFSET != 0
    }

    /// Whether the request may be held.
    pub fn may_suspend(self) -> bool {
        self.0 & Self::SUSPEND != 0
    }

    /// Whether the header's `subscription` counts.
    pub fn has_subscription(self) -> bool {
        self.0 & Self::SUBSCRIPTION != 0
    }

    /// Whether this is a lite pull.
    pub fn is_lite_pull(self) -> bool {
        self.0 & Self::LITE_PULL != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_body_without_compression_bits_is_zlib() {
        assert_eq!(MessageSysFlag(0x001).compression(), Some(Compression::Zlib));
        assert_eq!(MessageSysFlag(0x301).compression(), Some(Compression::Zlib));
        assert_eq!(MessageSysFlag(0x101).compression(), Some(Compression::Lz4));
        assert_eq!(MessageSysFlag(0x201).compression(), Some(Compression::Zstd));
        assert_eq!(MessageSysFlag(0x701).compression(), None);
        assert_eq!(MessageSysFlag(0x300).compression(), None);
    }

    #[test]
    fn half_and_rolled_back_messages_are_not_queued() {
        assert!(MessageSysFlag(0).is_queued());
        assert!(!MessageSysFlag(0x4).is_queued());
        assert!(MessageSysFlag(0x8).is_queued());
        assert!(!MessageSysFlag(0xC).is_queued());
    }

    #[test]
    fn transaction_bits_are_replaced_and_the_rest_kept() {
        let half = MessageSysFlag(0x301 | MessageSysFlag::TRANSACTION_PREPARED);
        assert_eq!(half.with_transaction(MessageSysFlag::TRANSACTION_COMMIT), MessageSysFlag(0x309));
        assert_eq!(half.with_transaction(0), MessageSysFlag(0x301));
    }

    #[test]
    fn a_lite_pull_carries_its_subscription() {
        let lite = PullSysFlag(22);
        assert!(lite.is_lite_pull() && lite.has_subscription() && lite.may_suspend() && !lite.commits_offset());
    }
}
