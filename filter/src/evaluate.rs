//! What an expression says to a message.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::expression::{Between, Constant, Expression, In, Order, Place, Search};
use crate::value::{EvaluationError, Value, equals, order};

/// The values of the properties that the expression names, by their index; `None` for those a message does not have.
pub(crate) type Properties<'a> = [Option<Cow<'a, str>>];

type Condition = Result<Option<bool>, EvaluationError>;

/// Yes, no or null. Only what is a condition gets here.
pub(crate) fn condition(expression: &Expression, properties: &Properties<'_>) -> Condition {
    match expression {
        Expression::Cast(name) => Ok(properties[usize::from(*name)].as_ref().map(|_| false)),
        Expression::Or(conditions) => joined(conditions, properties, true),
        Expression::And(conditions) => joined(conditions, properties, false),
        Expression::Not(of) => Ok(condition(of, properties)?.map(|holds| !holds)),
        Expression::Equal(operands) => equals(value(&operands.0, properties)?, value(&operands.1, properties)?),
        Expression::IsNull(of) => Ok(Some(value(of, properties)? == Value::Null)),
        Expression::Order(operands) => {
            let (left, order, right) = &**operands;
            compare(value(left, properties)?, *order, right, properties)
        }
        Expression::Between(of) => between(of, properties),
        // Nothing is searched for: it does not matter then whether the operand can be evaluated.
        Expression::Search(search) if search.text.is_empty() => Ok(Some(false)),
        Expression::Search(search) => Ok(Some(found(search, value(&search.within, properties)?))),
        Expression::In(list) => Ok(properties[usize::from(list.property)].as_deref().map(|text| is_in(list, text))),
        Expression::Constant(Constant::Bool(value)) => Ok(Some(*value)),
        Expression::Constant(_) | Expression::Property(_) | Expression::Negated(_) | Expression::Nothing(_) => Ok(None),
    }
}

fn value<'a>(expression: &'a Expression, properties: &'a Properties<'_>) -> Result<Value<'a>, EvaluationError> {
    Ok(match expression {
        Expression::Property(name) => properties[usize::from(*name)].as_deref().map_or(Value::Null, Value::Text),
        Expression::Constant(constant) | Expression::Negated(constant) => match constant {
            Constant::Null => Value::Null,
            Constant::Bool(value) => Value::Bool(*value),
            Constant::Int(value) => Value::Int(*value),
            Constant::Long(value) => Value::Long(*value),
            Constant::Double(value) => Value::Double(*value),
            Constant::Text(text) => Value::Text(text),
        },
        Expression::Nothing(of) => {
            value(of, properties)?;
            Value::Null
        }
        _ => condition(expression, properties)?.map_or(Value::Null, Value::Bool),
    })
}

/// OR ends at the first condition that holds, AND at the first that does not: `decides`.
fn joined(conditions: &[Expression], properties: &Properties<'_>, decides: bool) -> Condition {
    let mut is_null = false;
    for each in conditions {
        match condition(each, properties)? {
            Some(holds) if holds == decides => return Ok(Some(decides)),
            Some(_) => {}
            None => is_null = true,
        }
    }
    Ok((!is_null).then_some(!decides))
}

/// Beside null on the left the right is not even looked at.
fn compare(left: Value<'_>, sign: Order, right: &Expression, properties: &Properties<'_>) -> Condition {
    if left == Value::Null {
        return Ok(None);
    }
    let ordering = order(left, value(right, properties)?)?;
    Ok(ordering.map(|ordering| match sign {
        Order::Greater => ordering == Ordering::Greater,
        Order::GreaterOrEqual => ordering != Ordering::Less,
        Order::Less => ordering == Ordering::Less,
        Order::LessOrEqual => ordering != Ordering::Greater,
    }))
}

/// `>= low AND <= high`, or `< low OR > high`.
fn between(of: &Between, properties: &Properties<'_>) -> Condition {
    let value = value(&of.value, properties)?;
    let (from, to) =
        if of.is_not { (Order::Less, Order::Greater) } else { (Order::GreaterOrEqual, Order::LessOrEqual) };
    let first = compare(value, from, &of.low, properties)?;
    if first == Some(of.is_not) {
        return Ok(first);
    }
    let second = compare(value, to, &of.high, properties)?;
    Ok(if second == Some(of.is_not) || first.is_some() { second } else { None })
}

fn found(search: &Search, within: Value<'_>) -> bool {
    let Value::Text(within) = within else { return false };
    let is_there = match search.place {
        Place::Anywhere => memchr::memmem::find(within.as_bytes(), search.text.as_bytes()).is_some(),
        Place::Start => within.starts_with(&*search.text),
        Place::End => within.ends_with(&*search.text),
    };
    is_there != search.is_not
}

fn is_in(list: &In, text: &str) -> bool {
    list.texts.binary_search_by(|known| (**known).cmp(text)).is_ok() != list.is_not
}
