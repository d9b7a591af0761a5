//! SQL92 filters: what a consumer asks for with an expression over message properties.
//!
//! An expression is parsed once into a [`SqlFilter`], which is then evaluated with the properties of every message. No
//! I/O, no clock; whoever calls reads the properties. Grammar and meaning are those of Apache RocketMQ 5.5
//! (`rocketmq-filter`, `SelectorParser.jj` and the expression classes beside it), its oddities included, since the same
//! expression has to select the same messages on either broker; `tests/vectors` holds what it answers.
//!
//! A general SQL parser does not fit: RocketMQ's words and numbers follow the selectors of JMS, it reads no further than
//! its grammar goes, and text turns into numbers by Java's rules.
//!
//! ```text
//! expression = and { OR and }
//! and        = equality { AND equality }
//! equality   = comparison { ("=" | "<>") comparison | IS [NOT] NULL }
//! comparison = unary { (">" | ">=" | "<" | "<=") unary
//!                    | [NOT] (CONTAINS | STARTSWITH | ENDSWITH) text
//!                    | [NOT] BETWEEN unary AND unary
//!                    | [NOT] IN "(" text { "," text } ")" }
//! unary      = ("+" | "-" | NOT) unary | text | number | TRUE | FALSE | NULL | property | "(" expression ")"
//! ```
//!
//! Where to start reading: `sql_filter`, then `parser` and `evaluate`.

mod error;
mod evaluate;
mod expression;
mod java_number;
mod lexer;
mod parser;
mod sql_filter;
mod value;

pub use error::{FilterError, Position};
pub use sql_filter::{EXPRESSION_BYTES_MAX, NESTING_MAX, PARTS_MAX, PROPERTIES_MAX, SqlFilter};
pub use value::EvaluationError;
