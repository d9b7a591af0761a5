//! A parsed expression, and its text.

use std::fmt::{self, Display as _};

/// A node of the tree. Its nesting is bounded by the parser, so that walking it recursively is safe.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// By its index among the names.
    Property(u16),
    Constant(Constant),
    /// Minus before a constant: a number of the other sign, null for everything else. The reference does not take it for a
    /// constant when it checks operands.
    Negated(Constant),
    /// Minus before what is never a number; evaluated, since that may fail.
    Nothing(Box<Expression>),
    /// A property where a condition is wanted: properties are text, so it is false, or null if missing.
    Cast(u16),
    /// True if one is, else null if one is, else false; those behind the first true one are not evaluated.
    Or(Box<[Expression]>),
    /// False if one is, else null if one is, else true; those behind the first false one are not evaluated.
    And(Box<[Expression]>),
    Not(Box<Expression>),
    Equal(Box<(Expression, Expression)>),
    IsNull(Box<Expression>),
    Order(Box<(Expression, Order, Expression)>),
    Between(Box<Between>),
    Search(Box<Search>),
    In(Box<In>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Between {
    pub(crate) is_not: bool,
    pub(crate) value: Expression,
    pub(crate) low: Expression,
    pub(crate) high: Expression,
}

/// A text in a text. An empty one is found nowhere, and its absence neither.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    pub(crate) is_not: bool,
    pub(crate) place: Place,
    pub(crate) within: Expression,
    pub(crate) text: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    Start,
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct In {
    pub(crate) is_not: bool,
    pub(crate) property: u16,
    /// Ascending, each once.
    pub(crate) texts: Box<[Box<str>]>,
}

impl Expression {
    /// Whether it says yes, no or null.
    pub(crate) fn is_condition(&self) -> bool {
        match self {
            Self::Property(_) | Self::Negated(_) | Self::Nothing(_) => false,
            Self::Constant(constant) => constant.is_condition(),
            Self::Cast(_) | Self::Or(_) | Self::And(_) | Self::Not(_) => true,
            Self::Equal(_) | Self::IsNull(_) | Self::Order(_) | Self::Between(_) => true,
            Self::Search(_) | Self::In(_) => true,
        }
    }
}

impl Constant {
    pub(crate) fn is_condition(&self) -> bool {
        matches!(self, Self::Null | Self::Bool(_))
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Long(_) | Self::Double(_))
    }

    /// With minus before it.
    pub(crate) fn negated(&self) -> Self {
        match self {
            Self::Int(value) => Self::Int(value.wrapping_neg()),
            Self::Long(value) => Self::Long(value.wrapping_neg()),
            Self::Double(value) => Self::Double(-value),
            Self::Null | Self::Bool(_) | Self::Text(_) => Self::Null,
        }
    }
}

/// An expression as text that parses to the same again.
pub(crate) struct Written<'a> {
    pub(crate) expression: &'a Expression,
    pub(crate) names: &'a [Box<str>],
}

impl Written<'_> {
    fn of<'a>(&'a self, expression: &'a Expression) -> Written<'a> {
        Written { expression, names: self.names }
    }

    fn joined(&self, f: &mut fmt::Formatter<'_>, conditions: &[Expression], word: &str) -> fmt::Result {
        for (index, condition) in conditions.iter().enumerate() {
            f.write_str(if index == 0 { "(" } else { word })?;
            self.of(condition).fmt(f)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |is_not: bool| if is_not { " NOT" } else { "" };
        match self.expression {
            Expression::Property(name) | Expression::Cast(name) => f.write_str(&self.names[usize::from(*name)]),
            Expression::Constant(constant) => constant.fmt(f),
            Expression::Negated(value) => write!(f, "-({})", value.negated_text()),
            Expression::Nothing(of) => write!(f, "-({})", self.of(of)),
            Expression::Or(conditions) => self.joined(f, conditions, " OR "),
            Expression::And(conditions) => self.joined(f, conditions, " AND "),
            Expression::Not(condition) => write!(f, "(NOT {})", self.of(condition)),
            Expression::Equal(operands) => write!(f, "({} = {})", self.of(&operands.0), self.of(&operands.1)),
            Expression::IsNull(operand) => write!(f, "({} IS NULL)", self.of(operand)),
            Expression::Order(operands) => {
                let (left, order, right) = &**operands;
                let sign = match order {
                    Order::Greater => ">",
                    Order::GreaterOrEqual => ">=",
                    Order::Less => "<",
                    Order::LessOrEqual => "<=",
                };
                write!(f, "({} {sign} {})", self.of(left), self.of(right))
            }
            Expression::Between(between) => {
                let Between { is_not, value, low, high } = &**between;
                let (value, low, high) = (self.of(value), self.of(low), self.of(high));
                write!(f, "({value}{} BETWEEN {low} AND {high})", not(*is_not))
            }
            Expression::Search(search) => {
                let Search { is_not, place, within, text } = &**search;
                let word = match place {
                    Place::Anywhere => "CONTAINS",
                    Place::Start => "STARTSWITH",
                    Place::End => "ENDSWITH",
                };
                write!(f, "({}{} {word} {})", self.of(within), not(*is_not), Quoted(text))
            }
            Expression::In(list) => {
                write!(f, "({}{} IN (", self.names[usize::from(list.property)], not(list.is_not))?;
                for (index, text) in list.texts.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, Quoted(text))?;
                }
                f.write_str("))")
            }
        }
    }
}

impl Constant {
    /// What minus was written before.
    fn negated_text(&self) -> String {
        match self {
            Self::Int(value) if *value > 0 => format!("-{value}"),
            Self::Int(value) => value.unsigned_abs().to_string(),
            Self::Long(value) if *value > 0 => format!("-{value}"),
            Self::Long(value) => value.unsigned_abs().to_string(),
            Self::Double(value) if *value > 0.0 => format!("-{value:?}"),
            Self::Double(value) => format!("{:?}", value.abs()),
            Self::Null | Self::Bool(_) | Self::Text(_) => "NULL".to_owned(),
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(true) => f.write_str("TRUE"),
            Self::Bool(false) => f.write_str("FALSE"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Long(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Text(text) => Quoted(text).fmt(f),
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}
