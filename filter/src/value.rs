//! Values while an expression is evaluated, and how two of them compare.

use std::cmp::Ordering;

use thiserror::Error;

use crate::java_number::{parse_double, parse_int, parse_long};

/// What an operand is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A missing property, or a condition that hangs on one.
    Null,
    Bool(bool),
    /// A whole number in the expression that fits 32 bits: text beside it has to fit them as well.
    Int(i32),
    Long(i64),
    Double(f64),
    /// A property, or a text in the expression.
    Text(&'a str),
}

/// Why an expression says neither yes nor no to a message, nor null. The message does not match, whatever stands around
/// the comparison that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// A text that is compared with a number, or two texts by their order.
    #[error("a text that is no number, or too large a one, is compared with a number")]
    NotANumber,
    /// `TRUE = property`: the other way round it works.
    #[error("a boolean on the left is compared with a text on the right")]
    BooleanWithText,
}

/// `=`. Nothing equals nothing; null on the left alone gives null, on the right alone false.
pub(crate) fn equals(left: Value<'_>, right: Value<'_>) -> Result<Option<bool>, EvaluationError> {
    match (left, right) {
        (Value::Null, Value::Null) => Ok(Some(true)),
        (Value::Null, _) => Ok(None),
        (_, Value::Null) => Ok(Some(false)),
        (Value::Text(left), Value::Text(right)) => Ok(Some(left == right)),
        (left, right) => Ok(Some(compare(left, right)? == Ordering::Equal)),
    }
}

/// `<`, `<=`, `>`, `>=`: `None` beside null. Two texts are compared as numbers.
pub(crate) fn order(left: Value<'_>, right: Value<'_>) -> Result<Option<Ordering>, EvaluationError> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Ok(None),
        (Value::Text(left), Value::Text(right)) => Ok(Some(compare_doubles(double(left)?, double(right)?))),
        (left, right) => compare(left, right).map(Some),
    }
}

/// The text becomes what the other one is; of two numbers the smaller kind becomes the larger. A boolean and a number
/// are never equal.
fn compare(left: Value<'_>, right: Value<'_>) -> Result<Ordering, EvaluationError> {
    use Value::{Bool, Double, Int, Long, Null, Text};
    Ok(match (left, right) {
        (Bool(left), Bool(right)) => left.cmp(&right),
        (Int(left), Int(right)) => left.cmp(&right),
        (Long(left), Long(right)) => left.cmp(&right),
        (Double(left), Double(right)) => compare_doubles(left, right),
        (Text(left), Text(right)) => left.cmp(right),
        (Int(left), Long(right)) => i64::from(left).cmp(&right),
        (Long(left), Int(right)) => left.cmp(&i64::from(right)),
        (Int(left), Double(right)) => compare_doubles(f64::from(left), right),
        (Double(left), Int(right)) => compare_doubles(left, f64::from(right)),
        (Long(left), Double(right)) => compare_doubles(left as f64, right),
        (Double(left), Long(right)) => compare_doubles(left, right as f64),
        (Int(left), Text(right)) => left.cmp(&int(right)?),
        (Text(left), Int(right)) => int(left)?.cmp(&right),
        (Long(left), Text(right)) => left.cmp(&long(right)?),
        (Text(left), Long(right)) => long(left)?.cmp(&right),
        (Double(left), Text(right)) => compare_doubles(left, double(right)?),
        (Text(left), Double(right)) => compare_doubles(double(left)?, right),
        (Text(left), Bool(right)) => left.eq_ignore_ascii_case("true").cmp(&right),
        (Bool(_), Text(_)) => return Err(EvaluationError::BooleanWithText),
        (Bool(_), _) | (_, Bool(_)) | (Null, _) | (_, Null) => Ordering::Less,
    })
}

fn int(text: &str) -> Result<i32, EvaluationError> {
    parse_int(text).ok_or(EvaluationError::NotANumber)
}

fn long(text: &str) -> Result<i64, EvaluationError> {
    parse_long(text).ok_or(EvaluationError::NotANumber)
}

fn double(text: &str) -> Result<f64, EvaluationError> {
    parse_double(text).ok_or(EvaluationError::NotANumber)
}

/// Java's order: what is no number equals itself and is above everything, −0 is below 0.
fn compare_doubles(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) => left.total_cmp(&right),
        (left, right) => left.cmp(&right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_equals_null_only() {
        let text = Value::Text("1");
        assert_eq!(equals(Value::Null, Value::Null), Ok(Some(true)));
        assert_eq!(equals(Value::Null, text), Ok(None));
        assert_eq!(equals(text, Value::Null), Ok(Some(false)));
        assert_eq!(order(text, Value::Null), Ok(None));
    }

    #[test]
    fn text_becomes_the_kind_of_number_beside_it() {
        assert_eq!(equals(Value::Text("+05"), Value::Int(5)), Ok(Some(true)));
        assert_eq!(order(Value::Text("3000000000"), Value::Int(5)), Err(EvaluationError::NotANumber));
        assert_eq!(order(Value::Text("3000000000"), Value::Long(5)), Ok(Some(Ordering::Greater)));
        assert_eq!(order(Value::Text("5.5"), Value::Int(5)), Err(EvaluationError::NotANumber));
        assert_eq!(order(Value::Text("5.5"), Value::Double(5.0)), Ok(Some(Ordering::Greater)));
    }

    #[test]
    fn two_texts_are_equal_as_text_and_ordered_as_numbers() {
        assert_eq!(equals(Value::Text("1"), Value::Text("1.0")), Ok(Some(false)));
        assert_eq!(order(Value::Text("10"), Value::Text("9")), Ok(Some(Ordering::Greater)));
        assert_eq!(order(Value::Text("b"), Value::Text("a")), Err(EvaluationError::NotANumber));
    }

    #[test]
    fn a_boolean_is_compared_with_text_from_the_right_only() {
        assert_eq!(equals(Value::Text("True"), Value::Bool(true)), Ok(Some(true)));
        assert_eq!(equals(Value::Bool(true), Value::Text("true")), Err(EvaluationError::BooleanWithText));
        assert_eq!(equals(Value::Int(1), Value::Bool(true)), Ok(Some(false)));
    }

    #[test]
    fn doubles_have_java_s_order() {
        assert_eq!(compare_doubles(f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(compare_doubles(-f64::NAN, f64::NAN), Ordering::Equal);
        assert_eq!(compare_doubles(-0.0, 0.0), Ordering::Less);
    }
}
