//! Expressions that stand in the headers of pulls, compiled once: the same one comes with every pull of a consumer.

use std::collections::HashMap;
use std::rc::Rc;

use crate::subscription_filter::{SQL92, SubscriptionFilter, SubscriptionFilterError};

/// Bytes of expressions that are kept compiled; bounds memory to some ten times as much. When it is full, all are
/// forgotten: compiling is not much more than reading.
pub const KEPT_BYTES_MAX: usize = 512 << 10;

/// Expressions by their text.
#[derive(Debug, Default)]
pub struct InlineFilters {
    kept: HashMap<Box<str>, Rc<SubscriptionFilter>>,
    kept_bytes: usize,
}

impl InlineFilters {
    /// The filter of an SQL92 expression.
    ///
    /// # Errors
    /// [`SubscriptionFilterError`].
    pub fn sql(&mut self, expression: &str) -> Result<Rc<SubscriptionFilter>, SubscriptionFilterError> {
        if let Some(filter) = self.kept.get(expression) {
            return Ok(filter.clone());
        }
        let filter = Rc::new(SubscriptionFilter::parse(SQL92, expression)?);
        if self.kept_bytes + expression.len() > KEPT_BYTES_MAX {
            self.kept.clear();
            self.kept_bytes = 0;
        }
        self.kept_bytes += expression.len();
        self.kept.insert(expression.into(), filter.clone());
        Ok(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_expression_is_compiled_once() {
        let mut filters = InlineFilters::default();
        let first = filters.sql("a > 1").unwrap();
        assert!(Rc::ptr_eq(&first, &filters.sql("a > 1").unwrap()));
        assert!(!Rc::ptr_eq(&first, &filters.sql("a > 2").unwrap()));
        assert!(filters.sql("a >").is_err());
    }

    #[test]
    fn memory_stays_bounded() {
        let mut filters = InlineFilters::default();
        for number in 0..100 {
            filters.sql(&format!("a = '{number}{}'", "x".repeat(30_000))).unwrap();
            assert!(filters.kept_bytes <= KEPT_BYTES_MAX);
            assert_eq!(filters.kept.keys().map(|text| text.len()).sum::<usize>(), filters.kept_bytes);
        }
    }
}
