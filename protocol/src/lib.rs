//! The RocketMQ remoting protocol, sans-IO: bytes in, values out, and back. Nothing here opens a socket, reads a
//! clock or depends on another crate of the workspace.
//!
//! Start at [`frame`], then [`header`] and [`command`]; a message is a [`record`]; JSON bodies are in [`body`].

pub mod batch;
pub mod body;
mod byte_scan;
pub mod code;
pub mod command;
pub mod frame;
pub mod header;
mod json_reader;
pub mod language;
pub mod message_id;
pub mod pop_handle;
pub mod properties;
pub mod properties_text;
pub mod recall_handle;
pub mod record;
pub mod send;
pub mod sys_flag;
pub mod tags;
pub mod topic_name;

pub use code::{RequestCode, ResponseCode};
pub use command::{CommandEncoder, RemotingCommand, VERSION};
pub use frame::{FRAME_BYTES_MAX, Frame, FrameError, HeaderEncoding, decode_frame, decode_frame_up_to};
pub use header::{FieldError, Header, HeaderError};
pub use json_reader::JsonError;
pub use language::Language;
