//! Offer constraints: conditions on an agent's host name and attributes, per role.
//!
//! Groups are alternatives, the constraints in a group must all hold. Only text attributes can be compared;
//! an attribute of another type, or none, satisfies no positive and every negative comparison
//! (`mesos: src/master/allocator/mesos/offer_constraints_filter.cpp`).

use std::collections::BTreeMap;

use aurora_mesos::v1::AgentInfo;
use aurora_mesos::v1::scheduler::{
    AttributeConstraint, OfferConstraints, Predicate, PseudoattributeType, Selector,
};
use regex::{Regex, RegexBuilder};

/// The largest compiled expression in bytes. Mesos counts RE2's instructions (100, in 4096 bytes), of which classes and repetitions
/// take other numbers than here; this bound takes all that fits there, `\\w` with all letters of Unicode too.
const REGEX_SIZE: usize = 1 << 20;

/// Compiled constraints of a framework.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    roles: BTreeMap<String, Vec<Vec<Condition>>>,
}

#[derive(Debug)]
struct Condition {
    subject: Subject,
    test: Test,
}

#[derive(Debug)]
enum Subject {
    Hostname,
    Region,
    Zone,
    Attribute(String),
}

#[derive(Debug)]
enum Test {
    Exists,
    NotExists,
    Equals(String),
    NotEquals(String),
    Matches(Regex),
    NotMatches(Regex),
}

impl Constraints {
    /// Compiles what a framework in these roles asks for.
    ///
    /// # Errors
    /// The text to refuse the subscription with.
    pub(crate) fn compile(info: &OfferConstraints, roles: &[&str]) -> Result<Self, String> {
        let mut compiled = BTreeMap::new();
        for (role, constraints) in &info.role_constraints {
            if !roles.contains(&role.as_str()) {
                return Err(format!(
                    "Offer constraints specify `role_constraints` for a role '{role}' which the framework is not subscribed to"
                ));
            }
            if constraints.groups.is_empty() {
                return Err(format!(
                    "Offer constraints are not valid: The framework has an empty 'RoleConstraints::groups' for role {role}"
                ));
            }
            let mut groups = Vec::new();
            for group in &constraints.groups {
                if group.attribute_constraints.is_empty() {
                    return Err(format!(
                        "Offer constraints are not valid: The framework has an empty 'RoleConstraints::Group::attribute_constraints' for role {role}"
                    ));
                }
                let conditions = group.attribute_constraints.iter().map(condition);
                let conditions = conditions.collect::<Result<Vec<_>, _>>().map_err(|error| {
                    format!(
                        "Offer constraints are not valid: A role {role} has an invalid 'AttributeConstraint': {error}"
                    )
                })?;
                groups.push(conditions);
            }
            compiled.insert(role.clone(), groups);
        }
        Ok(Self { roles: compiled })
    }

    /// Whether the role wants offers of this agent.
    pub(crate) fn allow(&self, role: &str, agent: &AgentInfo) -> bool {
        self.roles.get(role).is_none_or(|groups| {
            groups
                .iter()
                .any(|group| group.iter().all(|condition| condition.holds(agent)))
        })
    }
}

fn condition(constraint: &AttributeConstraint) -> Result<Condition, String> {
    Ok(Condition {
        subject: subject(&constraint.selector)?,
        test: test(&constraint.predicate)?,
    })
}

fn subject(selector: &Selector) -> Result<Subject, String> {
    match (&selector.attribute_name, selector.pseudoattribute_type) {
        (Some(name), None) => Ok(Subject::Attribute(name.clone())),
        (None, Some(PseudoattributeType::Hostname)) => Ok(Subject::Hostname),
        (None, Some(PseudoattributeType::Region)) => Ok(Subject::Region),
        (None, Some(PseudoattributeType::Zone)) => Ok(Subject::Zone),
        (None, Some(PseudoattributeType::Unknown)) => {
            Err("Unknown pseudoattribute type".to_owned())
        }
        _ => Err(
            "Exactly one of 'Selector::name' or 'Selector::pseudoattribute_type' must be set"
                .to_owned(),
        ),
    }
}

fn test(predicate: &Predicate) -> Result<Test, String> {
    // The last of a oneof wins in protobuf; in JSON there is no last, so only one is accepted.
    let mut tests = Vec::new();
    if predicate.exists.is_some() {
        tests.push(Test::Exists);
    }
    if predicate.not_exists.is_some() {
        tests.push(Test::NotExists);
    }
    if let Some(equals) = &predicate.text_equals {
        tests.push(Test::Equals(equals.value.clone()));
    }
    if let Some(equals) = &predicate.text_not_equals {
        tests.push(Test::NotEquals(equals.value.clone()));
    }
    if let Some(matches) = &predicate.text_matches {
        tests.push(Test::Matches(regex(&matches.regex)?));
    }
    if let Some(matches) = &predicate.text_not_matches {
        tests.push(Test::NotMatches(regex(&matches.regex)?));
    }
    match (tests.pop(), tests.is_empty()) {
        (Some(test), true) => Ok(test),
        (None, _) => Err("Unknown predicate type".to_owned()),
        (Some(_), false) => Err("Only one predicate may be set".to_owned()),
    }
}

/// The expression has to match the whole text.
fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(REGEX_SIZE)
        .build()
        .map_err(|error| format!("Failed to construct regex from pattern '{text}': {error}"))
}

impl Condition {
    fn holds(&self, agent: &AgentInfo) -> bool {
        let domain = || {
            agent
                .domain
                .as_ref()
                .and_then(|domain| domain.fault_domain.as_ref())
        };
        let mut values: Vec<Option<&str>> = match &self.subject {
            Subject::Hostname => vec![Some(agent.hostname.as_str())],
            Subject::Region => domain()
                .map(|d| Some(d.region.name.as_str()))
                .into_iter()
                .collect(),
            Subject::Zone => domain()
                .map(|d| Some(d.zone.name.as_str()))
                .into_iter()
                .collect(),
            Subject::Attribute(name) => agent
                .attributes
                .iter()
                .filter(|attribute| attribute.name == *name)
                .map(|attribute| attribute.text.as_ref().map(|text| text.value.as_str()))
                .collect(),
        };
        let exists = !values.is_empty();
        let any = |test: &dyn Fn(&str) -> bool, values: &mut Vec<Option<&str>>| {
            values.drain(..).any(|value| value.is_some_and(test))
        };
        match &self.test {
            Test::Exists => exists,
            Test::NotExists => !exists,
            Test::Equals(text) => any(&|value| value == text, &mut values),
            Test::NotEquals(text) => !any(&|value| value == text, &mut values),
            Test::Matches(regex) => any(&|value| regex.is_match(value), &mut values),
            Test::NotMatches(regex) => !any(&|value| regex.is_match(value), &mut values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_has_a_bound() {
        // What Mesos' own limits let through: src/master/constants.hpp, src/tests/master/offer_constraints_filter_tests.cpp.
        for (text, matched, other) in [
            (
                "192.168.(1[0-9]|3[4-7]|[1-9]|4[2-9]|[1-4][0-9]|5[3-8]|20[4-7]|53[0-5]).1",
                "192.168.205.1",
                "192.168.208.1",
            ),
            ("(a+){10}", "aaaaaaaaaa", "aaaaaaaaa"),
            ("[a-d]+", "abcd", "abcde"),
            (r"\w+-\d+", "rack-1", "rack-"),
        ] {
            let compiled = regex(text).unwrap();
            assert!(compiled.is_match(matched), "{text}");
            assert!(
                !compiled.is_match(other),
                "{text}: the whole text has to match"
            );
        }
        for text in ["(a{1000}){1000}", r"(\w{100}){100}", "[a-d"] {
            let refusal = regex(text).unwrap_err();
            let expected = format!("Failed to construct regex from pattern '{text}': ");
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
    }
}
