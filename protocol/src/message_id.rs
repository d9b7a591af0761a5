//! The two ids of a message, both upper-case hex of the same length: nothing but context tells them apart.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::command::EncodeField;

const V4_BYTES: usize = 4 + 4 + 8;
const V6_BYTES: usize = 16 + 4 + 8;

/// Where a message is stored: store host (4 or 16 bytes), port i32, physical offset i64, in 32 or 56 hex digits.
///
/// Tools and clients take it apart: a view goes to the address inside, the end of a transaction takes the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetMessageId {
    /// The broker, as clients reach it.
    pub store_host: SocketAddr,
    /// Byte of its log where the record starts.
    pub physical_offset: i64,
}

/// Why a text is not the id of a stored message. A unique id usually parses, to an address that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageIdError {
    /// Neither 32 nor 56 characters.
    #[error("message id has {bytes} characters, expected 32 or 56")]
    Length {
        /// Bytes of the text.
        bytes: usize,
    },
    /// Not a hexadecimal digit.
    #[error("message id has no hexadecimal digit at {at}")]
    Digit {
        /// Position of the character.
        at: usize,
    },
    /// A port that is none.
    #[error("message id has port {port}")]
    Port {
        /// As decoded.
        port: i32,
    },
}

impl FromStr for OffsetMessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        let mut bytes = [0; V6_BYTES];
        let digits = text.as_bytes();
        if digits.len() != 2 * V4_BYTES && digits.len() != 2 * V6_BYTES {
            return Err(MessageIdError::Length { bytes: digits.len() });
        }
        for (at, digit) in digits.iter().enumerate() {
            let value = char::from(*digit).to_digit(16).ok_or(MessageIdError::Digit { at })?;
            bytes[at / 2] = bytes[at / 2] << 4 | value as u8;
        }
        let (ip, rest) = split_ip(&bytes, digits.len() == 2 * V6_BYTES);
        let (port, rest) = rest.split_first_chunk::<4>().expect("both sizes hold a port");
        let (offset, _) = rest.split_first_chunk::<8>().expect("both sizes hold an offset");
        let port = i32::from_be_bytes(*port);
        let port = u16::try_from(port).map_err(|_| MessageIdError::Port { port })?;
        Ok(Self { store_host: SocketAddr::new(ip, port), physical_offset: i64::from_be_bytes(*offset) })
    }
}

fn split_ip(bytes: &[u8; V6_BYTES], v6: bool) -> (IpAddr, &[u8]) {
    if v6 {
        let (ip, rest) = bytes.split_first_chunk::<16>().expect("28 bytes hold 16");
        (Ipv6Addr::from(*ip).into(), rest)
    } else {
        let (ip, rest) = bytes.split_first_chunk::<4>().expect("28 bytes hold 4");
        (Ipv4Addr::from(*ip).into(), rest)
    }
}

impl OffsetMessageId {
    /// Parses 32 or 56 hex digits of either case.
    ///
    /// # Errors
    /// [`MessageIdError`].
    pub fn parse(text: &str) -> Result<Self, MessageIdError> {
        text.parse()
    }

    fn hex(&self) -> HexText {
        let mut text = HexText::default();
        text.push_ip(self.store_host.ip());
        text.push(&i32::from(self.store_host.port()).to_be_bytes());
        text.push(&self.physical_offset.to_be_bytes());
        text
    }
}

impl fmt::Display for OffsetMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl EncodeField for OffsetMessageId {
    fn with_text(&self, write: impl FnOnce(&str, bool)) {
        write(self.hex().as_str(), false);
    }
}

/// At most 56 upper-case hex digits, no allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct HexText {
    digits: [u8; 2 * V6_BYTES],
    used: usize,
}

impl Default for HexText {
    fn default() -> Self {
        Self { digits: [b'0'; 2 * V6_BYTES], used: 0 }
    }
}

impl HexText {
    fn push(&mut self, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for byte in bytes {
            self.digits[self.used] = HEX[usize::from(byte >> 4)];
            self.digits[self.used + 1] = HEX[usize::from(byte & 0xF)];
            self.used += 2;
        }
    }

    fn push_ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.push(&ip.octets()),
            IpAddr::V6(ip) => self.push(&ip.octets()),
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[..self.used]).expect("hex digits are ASCII")
    }
}

/// A message's unique id: the property `UNIQ_KEY`, what users call msgId.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UniqueId {
    text: HexText,
}

impl UniqueId {
    /// 32 or 56 upper-case hex digits.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes unique ids: IP (4 or 16 bytes), low 16 bits of the pid, 4 bytes of the source, ms since the first of the
/// month, counter u16.
///
/// The reference counts the month in local time, here it is UTC. Tools that read the time back from an id only use
/// it to narrow a search, by days.
#[derive(Debug, Clone)]
pub struct UniqueIdSource {
    ip: IpAddr,
    pid: u16,
    source: u32,
    counter: u16,
    /// Start of the month of the last id, and of the next month; ms since 1970.
    month: std::ops::Range<i64>,
}

impl UniqueIdSource {
    /// `source` tells apart the sources of one process, and a process from one before it with the same pid: shard
    /// number and start time, or anything random.
    pub fn new(ip: IpAddr, pid: u32, source: u32) -> Self {
        Self { ip, pid: pid as u16, source, counter: 0, month: 0..0 }
    }

    /// The next id; `now_ms` = ms since 1970. Ids of one source differ as long as fewer than 65536 are made in a
    /// millisecond.
    pub fn next_id(&mut self, now_ms: i64) -> UniqueId {
        if !self.month.contains(&now_ms) {
            self.month = month_around(now_ms);
        }
        // 31 days of ms need 32 bits; Java's int has the same bits.
        let since_month_ms = (now_ms - self.month.start) as u32;
        let mut text = HexText::default();
        text.push_ip(self.ip);
        text.push(&self.pid.to_be_bytes());
        text.push(&self.source.to_be_bytes());
        text.push(&since_month_ms.to_be_bytes());
        text.push(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        UniqueId { text }
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The UTC month that holds `now_ms`, as ms since 1970.
fn month_around(now_ms: i64) -> std::ops::Range<i64> {
    let day = now_ms.div_euclid(DAY_MS);
    let (year, month, day_of_month) = civil_from_days(day);
    let first = day - i64::from(day_of_month - 1);
    first * DAY_MS..(first + i64::from(days_in_month(year, month))) * DAY_MS
}

/// Gregorian year, month 1-12 and day 1-31 of a day counted from 1970-01-01.
///
/// Years start in March here, so that the leap day is the last of its year; an era is 400 years.
fn civil_from_days(day: i64) -> (i64, u32, u32) {
    const ERA_DAYS: i64 = 146_097;
    const MARCH_0000: i64 = 719_468;
    let shifted = day + MARCH_0000;
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u32, day_of_month as u32)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_store_host_makes_56_digits() {
        let id = OffsetMessageId { store_host: "[2001:db8::1]:10911".parse().unwrap(), physical_offset: -1 };
        let text = id.to_string();
        assert_eq!(text, "20010DB8000000000000000000000001 00002A9F FFFFFFFFFFFFFFFF".replace(' ', ""));
        assert_eq!(OffsetMessageId::parse(&text), Ok(id));
    }

    #[test]
    fn digits_of_either_case_are_read() {
        let id = OffsetMessageId::parse("7f00000100002a9F0000000000001000").unwrap();
        assert_eq!(id, OffsetMessageId { store_host: "127.0.0.1:10911".parse().unwrap(), physical_offset: 4096 });
    }

    #[test]
    fn what_is_no_id_says_why() {
        assert_eq!(OffsetMessageId::parse("7F"), Err(MessageIdError::Length { bytes: 2 }));
        let text = "7F00000100002A9G0000000000001000";
        assert_eq!(OffsetMessageId::parse(text), Err(MessageIdError::Digit { at: 15 }));
        let text = "7F000001000100000000000000001000";
        assert_eq!(OffsetMessageId::parse(text), Err(MessageIdError::Port { port: 65536 }));
    }

    #[test]
    fn a_unique_id_holds_ip_pid_source_time_and_counter() {
        let mut source = UniqueIdSource::new("192.0.2.2".parse().unwrap(), 0x1_2345, 0xA1B2_C3D4);
        let now_ms = 1_700_000_000_000; // 2023-11-14T22:13:20Z: 13 days, 22:13:20 after the first
        let since = (13 * 86_400 + 22 * 3600 + 13 * 60 + 20) * 1000;
        assert_eq!(source.next_id(now_ms).as_str(), format!("C00002022345A1B2C3D4{since:08X}0000"));
        assert_eq!(source.next_id(now_ms).as_str(), format!("C00002022345A1B2C3D4{since:08X}0001"));
        let mut source = UniqueIdSource::new("fd00::1".parse().unwrap(), 1, 2);
        assert_eq!(source.next_id(now_ms).as_str().len(), 56);
    }

    #[test]
    fn a_new_month_starts_at_zero() {
        let mut source = UniqueIdSource::new("192.0.2.2".parse().unwrap(), 1, 1);
        let first_of_march_2024 = 1_709_251_200_000;
        let time = |id: UniqueId| u32::from_str_radix(&id.as_str()[20..28], 16).unwrap();
        assert_eq!(time(source.next_id(first_of_march_2024 - 1)), 29 * 86_400_000 - 1);
        assert_eq!(time(source.next_id(first_of_march_2024)), 0);
        assert_eq!(time(source.next_id(first_of_march_2024 - 1)), 29 * 86_400_000 - 1);
    }

    #[test]
    fn days_become_dates_and_back() {
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
        assert_eq!(civil_from_days(11_016), (2000, 2, 29));
        assert_eq!(civil_from_days(20_778), (2026, 11, 21));
        let mut day = 0;
        for year in 1970..2110 {
            for month in 1..=12 {
                for day_of_month in 1..=days_in_month(year, month) {
                    assert_eq!(civil_from_days(day), (year, month, day_of_month));
                    day += 1;
                }
            }
        }
    }
}
