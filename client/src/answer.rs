//! A server's answer together with what was asked of whom, so that whatever is wrong with it can be told in full.

use std::any::type_name;
use std::str::FromStr;
use std::sync::Arc;

use protocol::body::BodyError;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;

use crate::error::{AnswerError, ClientError};

/// An answer, with any response code.
#[derive(Debug)]
pub struct Answer {
    code: RequestCode,
    address: Arc<str>,
    /// The answer as it came.
    pub command: RemotingCommand,
}

impl Answer {
    pub(crate) fn new(code: RequestCode, address: Arc<str>, command: RemotingCommand) -> Self {
        Self { code, address, command }
    }

    /// What the server says.
    #[must_use]
    pub fn response(&self) -> ResponseCode {
        ResponseCode(self.command.code)
    }

    /// Who answered.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer if its code is SUCCESS.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the server's code and remark.
    pub fn success(self) -> Result<Self, ClientError> {
        if self.response() == ResponseCode::SUCCESS { Ok(self) } else { Err(self.refused()) }
    }

    /// The answer as an error.
    #[must_use]
    pub fn refused(self) -> ClientError {
        ClientError::Refused {
            code: self.code,
            response: self.response(),
            address: self.address.to_string(),
            remark: self.command.remark.unwrap_or_default(),
        }
    }

    /// A header field that must be there.
    ///
    /// # Errors
    /// [`ClientError::Answer`] when it is missing or not of the type.
    pub fn field<T: FromStr>(&self, key: &'static str) -> Result<T, ClientError> {
        match self.optional_field(key)? {
            Some(value) => Ok(value),
            None => Err(self.unreadable(AnswerError::MissingField { key })),
        }
    }

    /// A header field that may be absent.
    ///
    /// # Errors
    /// [`ClientError::Answer`] when it is there but not of the type.
    pub fn optional_field<T: FromStr>(&self, key: &'static str) -> Result<Option<T>, ClientError> {
        let Some(text) = self.command.get(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => {
                Err(self.unreadable(AnswerError::Field { key, value: text.to_owned(), expected: type_name::<T>() }))
            }
        }
    }

    /// The JSON body.
    ///
    /// # Errors
    /// [`ClientError::Answer`] when it does not decode.
    pub fn body<T>(&self, decode: impl FnOnce(&[u8]) -> Result<T, BodyError>) -> Result<T, ClientError> {
        decode(&self.command.body).map_err(|source| self.unreadable(source.into()))
    }

    /// The error that says what is wrong with this answer.
    #[must_use]
    pub fn unreadable(&self, source: AnswerError) -> ClientError {
        ClientError::Answer { code: self.code, address: self.address.to_string(), source }
    }
}
