//! From text to an [`Expression`], by recursive descent; the grammar stands in `lib.rs`.
//!
//! As in the reference, what is compared is checked while it is parsed, as far as constants tell; and text behind the
//! expression, where no operator continues it, is not read.

use crate::error::{FilterError, Position};
use crate::expression::{Between, Constant, Expression, In, Order, Place, Search};
use crate::lexer::{Token, TokenKind, next_token, unexpected};
use crate::sql_filter::{NESTING_MAX, PARTS_MAX, PROPERTIES_MAX};
use crate::value::{Value, order};

const VALUE: &str = "a property, a value, NOT, a sign or `(`";
const CONDITION: &str = "a condition, which is true or false";
const ORDERED: &str = "a number or a property: only those have an order";
const TEXT: &str = "a text in single quotes";

/// What parsing gives.
pub(crate) struct Parsed {
    /// A condition.
    pub(crate) condition: Expression,
    /// The properties, by index.
    pub(crate) names: Vec<Box<str>>,
    /// How many nodes there are.
    pub(crate) parts: usize,
    /// Where text begins that is not part of it.
    pub(crate) ignored_from: Option<Position>,
}

/// Parses a text that is not too long.
pub(crate) fn parse(text: &str) -> Result<Parsed, FilterError> {
    let next = next_token(text, 0)?;
    let mut parser = Parser { text, next, nesting: 0, parts: 0, names: Vec::new() };
    let operand = parser.any()?;
    let condition = parser.condition(operand)?.expression;
    let ignored_from = (parser.next.kind != TokenKind::End).then(|| Position::of(text, parser.next.start));
    Ok(Parsed { condition, names: parser.names, parts: parser.parts, ignored_from })
}

struct Parser<'a> {
    text: &'a str,
    next: Token,
    /// Parentheses and signs that are open.
    nesting: usize,
    parts: usize,
    names: Vec<Box<str>>,
}

/// A piece that was parsed, and where it stands.
struct Operand {
    expression: Expression,
    start: usize,
    end: usize,
    /// How many nodes lie below each other.
    height: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Operand, FilterError> {
        self.chain(TokenKind::Or, Self::all, Expression::Or)
    }

    fn all(&mut self) -> Result<Operand, FilterError> {
        self.chain(TokenKind::And, Self::equality, Expression::And)
    }

    /// One or more conditions with `word` between them; a single one may be any value.
    fn chain(
        &mut self,
        word: TokenKind,
        link: impl Fn(&mut Self) -> Result<Operand, FilterError>,
        join: fn(Box<[Expression]>) -> Expression,
    ) -> Result<Operand, FilterError> {
        let first = link(self)?;
        if self.next.kind != word {
            return Ok(first);
        }
        let (start, mut end, mut height) = (first.start, first.end, first.height);
        // The reference looks at the right side before it finds fault with the left one; only the text differs.
        let mut conditions = vec![self.condition(first)?.expression];
        while self.next.kind == word {
            self.advance()?;
            let next = link(self)?;
            (end, height) = (next.end, height.max(next.height));
            conditions.push(self.condition(next)?.expression);
        }
        self.made(join(conditions.into()), start, end, height)
    }

    fn equality(&mut self) -> Result<Operand, FilterError> {
        let mut left = self.comparison()?;
        loop {
            let is_not = match self.next.kind {
                TokenKind::Equal => false,
                TokenKind::NotEqual => true,
                TokenKind::Is => {
                    left = self.is_null(left)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.comparison()?;
            self.check_equal(&left, &right)?;
            let (start, end, height) = span(&left, &[&right]);
            let equal = Expression::Equal(Box::new((left.expression, right.expression)));
            left = self.made_if_not(is_not, equal, start, end, height)?;
        }
    }

    fn is_null(&mut self, left: Operand) -> Result<Operand, FilterError> {
        self.advance()?;
        let is_not = self.next.kind == TokenKind::Not;
        if is_not {
            self.advance()?;
        }
        let end = self.expect(TokenKind::Null, if is_not { "NULL" } else { "NULL or NOT NULL" })?.end;
        let is_null = Expression::IsNull(Box::new(left.expression));
        self.made_if_not(is_not, is_null, left.start, end, left.height)
    }

    fn comparison(&mut self) -> Result<Operand, FilterError> {
        let mut left = self.unary()?;
        loop {
            let order = match self.next.kind {
                TokenKind::Greater => Order::Greater,
                TokenKind::GreaterOrEqual => Order::GreaterOrEqual,
                TokenKind::Less => Order::Less,
                TokenKind::LessOrEqual => Order::LessOrEqual,
                TokenKind::Not => {
                    self.advance()?;
                    left = self.named_operation(left, true)?;
                    continue;
                }
                TokenKind::Contains
                | TokenKind::StartsWith
                | TokenKind::EndsWith
                | TokenKind::Between
                | TokenKind::In => {
                    left = self.named_operation(left, false)?;
                    continue;
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.unary()?;
            self.check_ordered(&left)?;
            self.check_ordered(&right)?;
            let (start, end, height) = span(&left, &[&right]);
            let compared = Expression::Order(Box::new((left.expression, order, right.expression)));
            left = self.made(compared, start, end, height)?;
        }
    }

    fn named_operation(&mut self, left: Operand, is_not: bool) -> Result<Operand, FilterError> {
        match self.next.kind {
            TokenKind::Contains => self.search(left, is_not, Place::Anywhere),
            TokenKind::StartsWith => self.search(left, is_not, Place::Start),
            TokenKind::EndsWith => self.search(left, is_not, Place::End),
            TokenKind::Between => self.between(left, is_not),
            TokenKind::In => self.is_in(left, is_not),
            _ => Err(self.unexpected("BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH")),
        }
    }

    fn search(&mut self, left: Operand, is_not: bool, place: Place) -> Result<Operand, FilterError> {
        self.advance()?;
        let (text, end) = self.quoted()?;
        let Operand { expression: within, start, height, .. } = left;
        self.made(Expression::Search(Box::new(Search { is_not, place, within, text })), start, end, height)
    }

    fn between(&mut self, value: Operand, is_not: bool) -> Result<Operand, FilterError> {
        self.advance()?;
        let low = self.unary()?;
        self.expect(TokenKind::And, "AND between the two limits")?;
        let high = self.unary()?;
        for operand in [&value, &low, &high] {
            self.check_ordered(operand)?;
        }
        if !is_not && is_above(&low.expression, &high.expression) {
            return Err(self.refused(&high, "a limit that is not less than the first one"));
        }
        let (start, end, height) = span(&value, &[&low, &high]);
        let (value, low, high) = (value.expression, low.expression, high.expression);
        self.made(Expression::Between(Box::new(Between { is_not, value, low, high })), start, end, height)
    }

    fn is_in(&mut self, left: Operand, is_not: bool) -> Result<Operand, FilterError> {
        self.advance()?;
        self.expect(TokenKind::Open, "`(`")?;
        let mut texts = vec![self.quoted()?.0];
        while self.next.kind == TokenKind::Comma {
            self.advance()?;
            texts.push(self.quoted()?.0);
        }
        let end = self.expect(TokenKind::Close, "`,` or `)`")?.end;
        let Expression::Property(property) = left.expression else {
            return Err(self.refused(&left, "a property before IN"));
        };
        texts.sort_unstable();
        texts.dedup();
        let list = In { is_not, property, texts: texts.into() };
        self.made(Expression::In(Box::new(list)), left.start, end, left.height)
    }

    fn unary(&mut self) -> Result<Operand, FilterError> {
        let first = self.next;
        match first.kind {
            TokenKind::Plus | TokenKind::Minus | TokenKind::Not => {}
            _ => return self.primary(),
        }
        self.enter()?;
        self.advance()?;
        let operand = self.unary()?;
        self.nesting -= 1;
        let (start, end, height) = (first.start, operand.end, operand.height);
        match first.kind {
            TokenKind::Minus => match operand.expression {
                Expression::Constant(constant) | Expression::Negated(constant) => {
                    Ok(Operand { expression: Expression::Negated(constant.negated()), start, end, height })
                }
                other => self.made(Expression::Nothing(Box::new(other)), start, end, height),
            },
            TokenKind::Not => {
                let condition = self.condition(operand)?.expression;
                self.made(Expression::Not(Box::new(condition)), start, end, height)
            }
            _ => Ok(Operand { start, ..operand }),
        }
    }

    fn primary(&mut self) -> Result<Operand, FilterError> {
        let Token { kind, start, end } = self.next;
        let text = &self.text[start..end];
        let expression = match kind {
            TokenKind::Open => {
                self.enter()?;
                self.advance()?;
                let inner = self.any()?;
                let end = self.expect(TokenKind::Close, "an operator or `)`")?.end;
                self.nesting -= 1;
                return Ok(Operand { start, end, ..inner });
            }
            TokenKind::Name => Expression::Property(self.name(text, start)?),
            TokenKind::Text => Expression::Constant(Constant::Text(self.quoted()?.0)),
            TokenKind::Whole => Expression::Constant(self.whole(text)?),
            TokenKind::Float => Expression::Constant(self.float(text)?),
            TokenKind::True => Expression::Constant(Constant::Bool(true)),
            TokenKind::False => Expression::Constant(Constant::Bool(false)),
            TokenKind::Null => Expression::Constant(Constant::Null),
            _ => return Err(self.unexpected(VALUE)),
        };
        if kind != TokenKind::Text {
            self.advance()?;
        }
        self.made(expression, start, end, 0)
    }

    fn name(&mut self, name: &str, at: usize) -> Result<u16, FilterError> {
        let known = self.names.iter().position(|known| **known == *name);
        let index = known.unwrap_or(self.names.len());
        if index == PROPERTIES_MAX {
            let position = Position::of(self.text, at);
            return Err(FilterError::TooManyProperties { position, properties_max: PROPERTIES_MAX });
        }
        if known.is_none() {
            self.names.push(name.into());
        }
        Ok(index as u16)
    }

    /// 32 bits if it fits them: that matters where it is compared with text.
    fn whole(&self, text: &str) -> Result<Constant, FilterError> {
        let value: Result<i64, _> = text.trim_end_matches(['l', 'L']).parse();
        let value = value.map_err(|_| self.unexpected("a number up to 9223372036854775807"))?;
        Ok(i32::try_from(value).map_or(Constant::Long(value), Constant::Int))
    }

    /// The reference takes no zero with a point.
    fn float(&self, text: &str) -> Result<Constant, FilterError> {
        let value: Result<f64, _> = text.parse();
        let value = value.ok().filter(|value| value.is_finite() && *value > 0.0);
        value.map(Constant::Double).ok_or_else(|| self.unexpected("a number from 4.9E-324 to 1.7976931348623157E308"))
    }

    fn quoted(&mut self) -> Result<(Box<str>, usize), FilterError> {
        let token = self.expect(TokenKind::Text, TEXT)?;
        let text = &self.text[token.start + 1..token.end - 1];
        Ok((text.replace("''", "'").into(), token.end))
    }

    /// A property becomes the condition that it never is.
    fn condition(&mut self, operand: Operand) -> Result<Operand, FilterError> {
        match operand.expression {
            Expression::Property(name) => Ok(Operand { expression: Expression::Cast(name), ..operand }),
            ref expression if expression.is_condition() => Ok(operand),
            _ => Err(self.refused(&operand, CONDITION)),
        }
    }

    fn check_equal(&self, left: &Operand, right: &Operand) -> Result<(), FilterError> {
        for operand in [left, right] {
            if operand.expression == Expression::Constant(Constant::Null) {
                return Err(self.refused(operand, "a value; for a missing property there is IS NULL"));
            }
        }
        match (&left.expression, &right.expression) {
            (Expression::Constant(boolean), Expression::Constant(other))
                if boolean.is_condition() && !other.is_condition() =>
            {
                Err(self.refused(right, "a boolean, as before it"))
            }
            _ => Ok(()),
        }
    }

    fn check_ordered(&self, operand: &Operand) -> Result<(), FilterError> {
        match &operand.expression {
            Expression::Constant(constant) if constant.is_number() => Ok(()),
            Expression::Constant(_) => Err(self.refused(operand, ORDERED)),
            other if other.is_condition() => Err(self.refused(operand, ORDERED)),
            _ => Ok(()),
        }
    }

    fn made_if_not(
        &mut self,
        is_not: bool,
        expression: Expression,
        start: usize,
        end: usize,
        height_below: usize,
    ) -> Result<Operand, FilterError> {
        let made = self.made(expression, start, end, height_below)?;
        match is_not {
            true => self.made(Expression::Not(Box::new(made.expression)), start, end, made.height),
            false => Ok(made),
        }
    }

    /// One node more.
    fn made(
        &mut self,
        expression: Expression,
        start: usize,
        end: usize,
        height_below: usize,
    ) -> Result<Operand, FilterError> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            let position = Position::of(self.text, end);
            return Err(FilterError::TooManyParts { position, parts_max: PARTS_MAX });
        }
        let height = height_below + 1;
        if height > NESTING_MAX {
            return Err(self.too_deep(end));
        }
        Ok(Operand { expression, start, end, height })
    }

    fn enter(&mut self) -> Result<(), FilterError> {
        if self.nesting == NESTING_MAX {
            return Err(self.too_deep(self.next.start));
        }
        self.nesting += 1;
        Ok(())
    }

    fn too_deep(&self, at: usize) -> FilterError {
        FilterError::TooDeep { position: Position::of(self.text, at), nesting_max: NESTING_MAX }
    }

    fn expect(&mut self, kind: TokenKind, expected: &'static str) -> Result<Token, FilterError> {
        if self.next.kind != kind {
            return Err(self.unexpected(expected));
        }
        self.advance()
    }

    /// Returns the token that was next.
    fn advance(&mut self) -> Result<Token, FilterError> {
        let next = next_token(self.text, self.next.end)?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        unexpected(self.text, self.next.start, self.next.end, expected)
    }

    fn refused(&self, operand: &Operand, expected: &'static str) -> FilterError {
        unexpected(self.text, operand.start, operand.end, expected)
    }
}

/// From the first to the last of them, and the highest one's height.
fn span(first: &Operand, others: &[&Operand]) -> (usize, usize, usize) {
    let end = others.last().map_or(first.end, |last| last.end);
    (first.start, end, others.iter().map(|operand| operand.height).fold(first.height, usize::max))
}

/// Whether two constants are in the wrong order. The reference does not look behind signs.
fn is_above(low: &Expression, high: &Expression) -> bool {
    let number = |expression: &Expression| match expression {
        Expression::Constant(Constant::Int(value)) => Some(Value::Int(*value)),
        Expression::Constant(Constant::Long(value)) => Some(Value::Long(*value)),
        Expression::Constant(Constant::Double(value)) => Some(Value::Double(*value)),
        _ => None,
    };
    match (number(low), number(high)) {
        (Some(low), Some(high)) => order(low, high).is_ok_and(|ordering| ordering.is_some_and(|it| it.is_gt())),
        _ => false,
    }
}
