//! Numbers for the names and values of hosts' attributes, so that matching compares no text.
//!
//! A number is given when a host is saved and kept for as long as the process lives, like the host's record.

use std::sync::Arc;

use aurora_api::model::HostAttributes;

use super::FastMap;

/// The number of an attribute's name.
pub(crate) type NameId = u32;
/// The number of a value among those of its attribute.
pub(crate) type ValueId = u32;

/// One value of one of a host's attributes.
pub(crate) type Trait = (NameId, ValueId);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ids: FastMap<Arc<str>, NameId>,
    /// The values of each name.
    values: Vec<FastMap<Arc<str>, ValueId>>,
}

impl Names {
    /// The number of a name; `None` when no host ever had the attribute.
    pub(crate) fn name(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }

    /// The number of a value; `None` when no host ever had it.
    pub(crate) fn value(&self, name: NameId, value: &str) -> Option<ValueId> {
        self.values.get(name as usize)?.get(value).copied()
    }

    /// A host's attributes in numbers, ordered; attributes without values have none.
    pub(super) fn traits(&mut self, host: &HostAttributes) -> Arc<[Trait]> {
        let mut traits: Vec<Trait> = Vec::with_capacity(host.attributes.len());
        for attribute in &host.attributes {
            for value in &attribute.values {
                traits.push(self.number(&attribute.name, value));
            }
        }
        traits.sort_unstable();
        traits.into()
    }

    fn number(&mut self, name: &str, value: &str) -> Trait {
        let name = match self.name(name) {
            Some(id) => id,
            None => {
                let id = self.values.len() as NameId;
                self.ids.insert(name.into(), id);
                self.values.push(FastMap::default());
                id
            }
        };
        let values = &mut self.values[name as usize];
        if let Some(id) = values.get(value) {
            return (name, *id);
        }
        let id = values.len() as ValueId;
        values.insert(value.into(), id);
        (name, id)
    }
}

/// The values of an attribute among a host's traits.
pub(crate) fn values_in(traits: &[Trait], name: NameId) -> impl Iterator<Item = ValueId> + '_ {
    let values = traits.iter().filter(move |(other, _)| *other == name);
    values.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use aurora_api::model::Attribute;

    use super::*;

    #[test]
    fn equal_texts_have_equal_numbers() {
        let mut names = Names::default();
        let mut host = |attributes: &[(&str, &[&str])]| {
            let attributes = attributes.iter().map(|(name, values)| Attribute {
                name: (*name).to_owned(),
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            });
            names.traits(&HostAttributes {
                attributes: attributes.collect(),
                ..HostAttributes::default()
            })
        };
        let first = host(&[("host", &["a"]), ("rack", &["a", "b"])]);
        let second = host(&[("rack", &["b"]), ("zone", &[])]);
        assert_eq!(
            (&*first, &*second),
            (&[(0, 0), (1, 0), (1, 1)][..], &[(1, 1)][..])
        );
        assert_eq!(values_in(&first, 1).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((names.name("rack"), names.name("zone")), (Some(1), None));
        assert_eq!((names.value(1, "b"), names.value(0, "b")), (Some(1), None));
    }
}
