//! Resource arithmetic: sums that merge, subtraction and containment that follow the identity of a
//! resource, and the text forms.
//!
//! Two resources merge when everything but the value is equal: name, reservations, allocation, disk,
//! revocable, shared and provider. All forms on the wire are normalised first to the refined one (no
//! `role`; `reservations` from the outermost to the most refined), so sums never depend on which form a
//! client spoke. Scalars are integers in thousandths and ranges are sorted and merged, so that nothing
//! drifts (`mesos: src/common/resources.cpp`).

mod amount;
mod text;

use std::fmt;

use crate::v1::{AllocationInfo, ReservationInfo, ReservationType, Resource};

pub use amount::{Amount, from_thousandths, thousandths};
pub use text::{ParseError, parse, parse_attributes};

/// A sum of resources.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// No two have the same identity, none is empty.
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
struct Part {
    /// In refined form, without value.
    identity: Resource,
    amount: Amount,
}

impl Resources {
    /// The sum of `resources`; values that are missing or negative count as nothing.
    pub fn of<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Self {
        let mut sum = Self::default();
        for resource in resources {
            if let Some(amount) = Amount::of(resource) {
                sum.add_part(identity(resource), &amount);
            }
        }
        sum
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        for part in &other.parts {
            self.add_part(part.identity.clone(), &part.amount);
        }
    }

    /// Takes away what there is of `other`.
    pub fn subtract(&mut self, other: &Self) {
        for part in &other.parts {
            if let Some(own) = self
                .parts
                .iter_mut()
                .find(|own| own.identity == part.identity)
            {
                own.amount.subtract(&part.amount);
            }
        }
        self.parts.retain(|part| !part.amount.is_empty());
    }

    /// This and `other`.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// This without `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    /// Whether `other` is part of this, identity by identity.
    pub fn contains(&self, other: &Self) -> bool {
        other.parts.iter().all(|part| {
            self.parts
                .iter()
                .any(|own| own.identity == part.identity && own.amount.contains(&part.amount))
        })
    }

    /// The part that is for `role`: unreserved, or reserved for the role or one of its ancestors.
    #[must_use]
    pub fn allocatable_to(&self, role: &str) -> Self {
        self.filtered(|resource| match resource.reservations.last() {
            None => true,
            Some(reservation) => {
                let reserved = reservation.role.as_deref().unwrap_or("*");
                role == reserved
                    || role
                        .strip_prefix(reserved)
                        .is_some_and(|rest| rest.starts_with('/'))
            }
        })
    }

    /// The part with these identities.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&Resource) -> bool) -> Self {
        Self {
            parts: self
                .parts
                .iter()
                .filter(|part| keep(&part.identity))
                .cloned()
                .collect(),
        }
    }

    /// The same, allocated to `role` throughout.
    #[must_use]
    pub fn allocated_to(&self, role: &str) -> Self {
        self.mapped(|identity| {
            identity.allocation_info = Some(AllocationInfo {
                role: Some(role.to_owned()),
            });
        })
    }

    /// The same without allocations.
    #[must_use]
    pub fn unallocated(&self) -> Self {
        self.mapped(|identity| identity.allocation_info = None)
    }

    /// The same without allocations and reservations: the plain quantities.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        self.mapped(|identity| {
            identity.allocation_info = None;
            identity.reservations.clear();
        })
    }

    /// All of the scalar `name`, whatever its identity, in thousandths.
    pub fn scalar(&self, name: &str) -> i64 {
        self.parts
            .iter()
            .filter(|part| part.identity.name == name)
            .map(|part| match &part.amount {
                Amount::Scalar(value) => *value,
                Amount::Ranges(_) | Amount::Set(_) => 0,
            })
            .fold(0, i64::saturating_add)
    }

    /// All amounts of `name`, added up; `None` when there is nothing of it.
    pub fn amount(&self, name: &str) -> Option<Amount> {
        let mut parts = self.parts.iter().filter(|part| part.identity.name == name);
        let mut sum = parts.next()?.amount.clone();
        for part in parts {
            sum.add(&part.amount);
        }
        Some(sum)
    }

    /// The names in order of first appearance.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for part in &self.parts {
            if !names.contains(&part.identity.name.as_str()) {
                names.push(part.identity.name.as_str());
            }
        }
        names
    }

    /// The resources one by one: refined identity (without value) and amount.
    pub fn iter(&self) -> impl Iterator<Item = (&Resource, &Amount)> {
        self.parts.iter().map(|part| (&part.identity, &part.amount))
    }

    /// On the wire in refined form: `reservations`, never `role`.
    pub fn to_refined(&self) -> Vec<Resource> {
        self.parts
            .iter()
            .map(|part| {
                let mut resource = part.identity.clone();
                part.amount.write_to(&mut resource);
                resource
            })
            .collect()
    }

    /// On the wire for clients without RESERVATION_REFINEMENT: `role` and `reservation`. Refined
    /// reservations have no such form and are left out.
    pub fn to_unrefined(&self) -> Vec<Resource> {
        self.to_refined().into_iter().filter_map(unrefine).collect()
    }

    /// On the wire as the sums of operator answers: refined, and `role` besides.
    pub fn to_hybrid(&self) -> Vec<Resource> {
        let mut resources = self.to_refined();
        for resource in &mut resources {
            match resource.reservations.as_slice() {
                [] => resource.role = Some("*".to_owned()),
                [only] => {
                    resource.role.clone_from(&only.role);
                    if only.kind == Some(ReservationType::Dynamic) {
                        resource.reservation = Some(ReservationInfo {
                            kind: None,
                            role: None,
                            ..only.clone()
                        });
                    }
                }
                _ => {}
            }
        }
        resources
    }

    fn mapped(&self, change: impl Fn(&mut Resource)) -> Self {
        let mut sum = Self::default();
        for part in &self.parts {
            let mut identity = part.identity.clone();
            change(&mut identity);
            sum.add_part(identity, &part.amount);
        }
        sum
    }

    fn add_part(&mut self, identity: Resource, amount: &Amount) {
        if amount.is_empty() {
            return;
        }
        match self.parts.iter_mut().find(|part| part.identity == identity) {
            Some(part) => part.amount.add(amount),
            None => self.parts.push(Part {
                identity,
                amount: amount.clone(),
            }),
        }
    }
}

/// `cpus(allocated: *):1; mem(allocated: *)(reservations: [(STATIC,ads)]):32`
impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}:{}", describe(&part.identity), part.amount)?;
        }
        Ok(())
    }
}

/// A resource with everything but its value, as messages name it.
pub fn describe(resource: &Resource) -> String {
    let mut text = resource.name.clone();
    if let Some(role) = resource
        .allocation_info
        .as_ref()
        .and_then(|info| info.role.as_deref())
    {
        text.push_str(&format!("(allocated: {role})"));
    }
    if !resource.reservations.is_empty() {
        let stack: Vec<String> = resource
            .reservations
            .iter()
            .map(|reservation| {
                let kind = match reservation.kind {
                    Some(ReservationType::Dynamic) => "DYNAMIC",
                    _ => "STATIC",
                };
                let mut fields = vec![kind, reservation.role.as_deref().unwrap_or("*")];
                fields.extend(reservation.principal.as_deref());
                format!("({})", fields.join(","))
            })
            .collect();
        text.push_str(&format!("(reservations: [{}])", stack.join(",")));
    }
    text
}

/// Turns any form into the refined one; the value stays.
#[must_use]
pub fn refine(mut resource: Resource) -> Resource {
    let role = resource.role.take().filter(|role| role != "*");
    let dynamic = resource.reservation.take();
    if resource.reservations.is_empty()
        && let Some(role) = role
    {
        let reservation = match dynamic {
            Some(info) => ReservationInfo {
                kind: Some(ReservationType::Dynamic),
                role: Some(role),
                ..info
            },
            None => ReservationInfo {
                kind: Some(ReservationType::Static),
                role: Some(role),
                ..ReservationInfo::default()
            },
        };
        resource.reservations.push(reservation);
    }
    resource
}

fn unrefine(mut resource: Resource) -> Option<Resource> {
    let mut stack = std::mem::take(&mut resource.reservations);
    match (stack.pop(), stack.is_empty()) {
        (None, _) => resource.role = Some("*".to_owned()),
        (Some(only), true) => {
            resource.role.clone_from(&only.role);
            if only.kind == Some(ReservationType::Dynamic) {
                resource.reservation = Some(ReservationInfo {
                    kind: None,
                    role: None,
                    ..only
                });
            }
        }
        (Some(_), false) => return None,
    }
    Some(resource)
}

fn identity(resource: &Resource) -> Resource {
    let mut identity = refine(resource.clone());
    identity.scalar = None;
    identity.ranges = None;
    identity.set = None;
    identity
}

#[cfg(test)]
mod tests;
