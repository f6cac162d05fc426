//! Demands on a host's attributes.

use std::collections::BTreeSet;

use super::*;

r#struct! {
    /// The host's attribute must be (or, negated, must not be) one of the values.
    ValueConstraint {
        1 => negated: bool as "negated",
        2 => values: BTreeSet<String> as "values",
    }
}

r#struct! {
    /// At most `limit` tasks of the job per value of the attribute.
    LimitConstraint {
        1 => limit: i32 as "limit",
    }
}

union! {
    /// What a constraint demands.
    TaskConstraint {
        1 => Value(ValueConstraint) as "value",
        2 => Limit(LimitConstraint) as "limit",
    }
}

r#struct! {
    /// A demand on one attribute of the host.
    Constraint {
        1 => name: String as "name",
        2 => constraint: Option<TaskConstraint> as "constraint",
    }
}
