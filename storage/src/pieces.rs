//! Bytes that are made, kept and written piece by piece, so that tens of megabytes of them hold nobody up: nothing is moved when
//! they become more, and nobody touches more than a piece at a time.
//!
//! [`to_pieces`] makes them of very many values in turns. What comes out is, byte for byte, what rkyv makes of all at once.

use std::borrow::Cow;
use std::fmt;

use rkyv::api::high::HighSerializer;
use rkyv::rancor::{self, Fallible, Strategy};
use rkyv::ser::allocator::{Arena, ArenaHandle};
use rkyv::ser::sharing::Share;
use rkyv::ser::{Positional, Serializer, Writer, WriterExt};
use rkyv::vec::{ArchivedVec, VecResolver};
use rkyv::{Archive, Deserialize, Place, Serialize};

/// Bytes of a piece; the last one may have fewer.
pub const PIECE_BYTES: usize = 256 << 10;
/// What is encoded between two turns, about: a fraction of a millisecond.
const TURN_BYTES: usize = 64 << 10;

/// See the module's text.
#[derive(Clone, Default)]
pub struct Pieces {
    pieces: Vec<Vec<u8>>,
    /// Position of the first byte in what they are a part of.
    start: usize,
    len: usize,
}

/// Encodes into [`Pieces`].
pub type PieceSerializer<'a> = HighSerializer<Pieces, ArenaHandle<'a>, rancor::Error>;

impl Pieces {
    /// Nothing yet of what begins at `start` of something longer: alignment counts from there.
    fn starting_at(start: usize) -> Self {
        Self { start, ..Self::default() }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            if self.pieces.last().is_none_or(|last| last.len() >= PIECE_BYTES) {
                self.pieces.push(Vec::new());
            }
            let Some(last) = self.pieces.last_mut() else { unreachable!("just made") };
            let (fitting, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - last.len()));
            last.extend_from_slice(fitting);
            bytes = rest;
        }
    }

    /// The bytes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// The bytes side by side; they are copied where they are more than a piece.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.pieces[..] {
            [] => Cow::Borrowed(&[]),
            [bytes] => Cow::Borrowed(bytes),
            pieces => Cow::Owned(pieces.concat()),
        }
    }
}

impl From<Vec<u8>> for Pieces {
    /// The bytes stay where they are.
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { pieces: if bytes.is_empty() { Vec::new() } else { vec![bytes] }, start: 0, len }
    }
}

impl PartialEq for Pieces {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().flatten().eq(other.iter().flatten())
    }
}

impl Eq for Pieces {}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

impl Positional for Pieces {
    fn pos(&self) -> usize {
        self.start + self.len
    }
}

impl<E> Writer<E> for Pieces {
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        self.push(bytes);
        Ok(())
    }
}

/// As a `Vec<u8>` is archived.
impl Archive for Pieces {
    type Archived = ArchivedVec<u8>;
    type Resolver = VecResolver;

    fn resolve(&self, resolver: VecResolver, out: Place<ArchivedVec<u8>>) {
        ArchivedVec::resolve_from_len(self.len, resolver, out);
    }
}

impl<S: Fallible + Writer + ?Sized> Serialize<S> for Pieces {
    fn serialize(&self, serializer: &mut S) -> Result<VecResolver, S::Error> {
        let at = serializer.pos();
        self.iter().try_for_each(|piece| serializer.write(piece))?;
        Ok(VecResolver::from_pos(at))
    }
}

impl<D: Fallible + ?Sized> Deserialize<Pieces, D> for ArchivedVec<u8> {
    fn deserialize(&self, _: &mut D) -> Result<Pieces, D::Error> {
        Ok(Pieces::from(self.to_vec()))
    }
}

/// What may hold very many values, and is encoded in turns.
#[expect(async_fn_in_trait, reason = "a shard is one thread, its futures are never Send")]
pub trait EncodeInTurns: Archive + for<'a> Serialize<PieceSerializer<'a>> + Sized {
    /// Encodes what it holds; `turn` is awaited between, whenever a good deal of it is done. What holds little goes at once.
    async fn encode_in_turns(
        &self,
        serializer: &mut PieceSerializer<'_>,
        _turn: &mut impl AsyncFnMut(),
    ) -> <Self as Archive>::Resolver {
        sure(self.serialize(serializer))
    }
}

impl<T> EncodeInTurns for Vec<T>
where
    T: for<'a> Serialize<PieceSerializer<'a>>,
{
    async fn encode_in_turns(&self, serializer: &mut PieceSerializer<'_>, turn: &mut impl AsyncFnMut()) -> VecResolver {
        let mut resolvers = Vec::with_capacity(self.len());
        let mut turned_at = serializer.pos();
        for value in self {
            resolvers.push(sure(value.serialize(serializer)));
            take_turn(&mut turned_at, serializer, turn).await;
        }
        let at = sure(serializer.align_for::<T::Archived>());
        for (value, resolver) in self.iter().zip(resolvers) {
            // SAFETY: the resolver is the one of this value, and all of them lie side by side behind the alignment above.
            sure(unsafe { serializer.resolve_aligned(value, resolver) });
            take_turn(&mut turned_at, serializer, turn).await;
        }
        VecResolver::from_pos(at)
    }
}

async fn take_turn(turned_at: &mut usize, serializer: &PieceSerializer<'_>, turn: &mut impl AsyncFnMut()) {
    if serializer.pos() - *turned_at >= TURN_BYTES {
        *turned_at = serializer.pos();
        turn().await;
    }
}

/// Implements [`EncodeInTurns`](crate::pieces::EncodeInTurns) for a structure that holds several such. Besides its name it takes that
/// of its resolver, which is rkyv's, and all fields in their order, which is that of the bytes.
#[macro_export]
macro_rules! encode_fields_in_turns {
    ($name:ident, $resolver:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::pieces::EncodeInTurns for $name {
            async fn encode_in_turns(
                &self,
                serializer: &mut $crate::pieces::PieceSerializer<'_>,
                turn: &mut impl AsyncFnMut(),
            ) -> $resolver {
                $resolver {
                    $($field: $crate::pieces::EncodeInTurns::encode_in_turns(&self.$field, serializer, turn).await),+
                }
            }
        }
    };
}

/// Encodes a value and what it holds, in turns.
pub async fn to_pieces(value: &impl EncodeInTurns, turn: &mut impl AsyncFnMut()) -> Pieces {
    encode_at(0, async |serializer| {
        let resolver = value.encode_in_turns(serializer, turn).await;
        // SAFETY: it came of encoding what the value holds.
        unsafe { encode_root(value, resolver, serializer) };
    })
    .await
}

/// Hands what encodes to `encode` and returns what came of it, which begins at `start` of something longer.
pub(crate) async fn encode_at(start: usize, encode: impl AsyncFnOnce(&mut PieceSerializer<'_>)) -> Pieces {
    let mut arena = Arena::new();
    let mut serializer = Serializer::new(Pieces::starting_at(start), arena.acquire(), Share::new());
    encode(Strategy::wrap(&mut serializer)).await;
    serializer.into_writer()
}

/// Encodes a value itself, what it holds having been encoded to `resolver`: as the last, it is what a reader begins with.
/// # Safety
/// `resolver` came of encoding what `value` holds.
pub(crate) unsafe fn encode_root<T: Archive>(value: &T, resolver: T::Resolver, serializer: &mut PieceSerializer<'_>) {
    sure(serializer.align_for::<T::Archived>());
    // SAFETY: aligned just now, the resolver is the caller's to vouch for.
    sure(unsafe { serializer.resolve_aligned(value, resolver) });
}

fn sure<T>(encoded: Result<T, rancor::Error>) -> T {
    match encoded {
        Ok(encoded) => encoded,
        Err(error) => unreachable!("plain data always encodes: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Archive, Serialize)]
    struct Row {
        name: String,
        numbers: Vec<(i32, i64)>,
    }

    #[derive(Archive, Serialize)]
    struct Table {
        rows: Vec<Row>,
        newest: Row,
        others: Vec<Row>,
    }

    impl EncodeInTurns for Row {}

    encode_fields_in_turns!(Table, TableResolver { rows, newest, others });

    fn rows(count: usize) -> Vec<Row> {
        let numbers = |row: usize| (0..row as i32 % 9).map(|number| (number, i64::from(number) * 7)).collect();
        (0..count).map(|row| Row { name: "x".repeat(row % 23), numbers: numbers(row) }).collect()
    }

    #[test]
    fn what_is_encoded_in_turns_is_what_is_encoded_at_once() {
        for count in [0, 1, 2, 100, 20_000] {
            let (rows, turns) = (rows(count), Cell::new(0));
            let pieces = futures_lite::future::block_on(to_pieces(&rows, &mut async || turns.set(turns.get() + 1)));
            let at_once = rkyv::to_bytes::<rancor::Error>(&rows).unwrap();
            let (bytes, pieces_expected) = (at_once.len(), at_once.len().div_ceil(PIECE_BYTES));
            assert_eq!(pieces.iter().count(), pieces_expected);
            assert!(turns.get() + 2 >= bytes / TURN_BYTES, "{count}: {} turns", turns.get());
            assert_eq!(*pieces.bytes(), *at_once, "{count}");
        }
    }

    #[test]
    fn a_structure_that_is_encoded_field_by_field_is_what_is_encoded_at_once() {
        let newest = Row { name: "newest".to_owned(), numbers: vec![(1, 2)] };
        let table = Table { rows: rows(5_000), newest, others: rows(3) };
        let turns = Cell::new(0);
        let pieces = futures_lite::future::block_on(to_pieces(&table, &mut async || turns.set(turns.get() + 1)));
        assert_eq!(*pieces.bytes(), *rkyv::to_bytes::<rancor::Error>(&table).unwrap());
        assert!(turns.get() > 0, "its rows are many");
    }

    #[test]
    fn bytes_stay_in_their_order_whatever_they_are_cut_into() {
        let bytes: Vec<u8> = (0..3 * PIECE_BYTES + 5).map(|at| (at % 251) as u8).collect();
        for cut in [1000, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, bytes.len()] {
            let mut pieces = Pieces::default();
            bytes.chunks(cut).for_each(|part| pieces.push(part));
            assert_eq!((pieces.len(), pieces.iter().count()), (bytes.len(), 4));
            assert_eq!(pieces, Pieces::from(bytes.clone()));
            assert_eq!(*pieces.bytes(), *bytes);
        }
        assert!(Pieces::default().bytes().is_empty());
    }
}
