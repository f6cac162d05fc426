//! Offers that are alike: equal free resources, equal standing of their hosts. What holds for one of a class holds for all
//! of it, so a search judges a class once.

use std::sync::Arc;

use aurora_api::model::MaintenanceMode;

use super::config::Millis;
use super::resources::Bag;
use super::store::FastMap;

/// The number of a class, dense.
pub(crate) type ClassId = u32;

/// What the offers of a class have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Likeness {
    /// What a request that is not revocable can use.
    pub(crate) firm: Bag,
    /// What a revocable request can use.
    pub(crate) revocable: Bag,
    pub(crate) mode: Option<MaintenanceMode>,
    pub(crate) is_dedicated: bool,
    /// When Mesos plans to take the machines away.
    pub(crate) unavailable_from: Option<Millis>,
}

/// A class of offers.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) id: ClassId,
    likeness: Likeness,
}

impl std::ops::Deref for Class {
    type Target = Likeness;

    fn deref(&self) -> &Likeness {
        &self.likeness
    }
}

impl Likeness {
    /// What a request finds.
    pub(crate) fn has(&self, revocable: bool) -> &Bag {
        if revocable {
            &self.revocable
        } else {
            &self.firm
        }
    }

    /// Whether there are any cores and any memory; without, an offer only shows that its agent is there.
    pub(crate) fn is_usable(&self) -> bool {
        let (firm, revocable) = (&self.firm, &self.revocable);
        (firm.cpus > 0 || revocable.cpus > 0) && (firm.ram > 0 || revocable.ram > 0)
    }
}

/// The classes of the offers that are held.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    known: FastMap<Likeness, ClassId>,
    /// Each with how many offers it has.
    all: Vec<Option<(Arc<Class>, usize)>>,
    free: Vec<ClassId>,
}

impl Classes {
    /// The classes with how many offers each has, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Class, usize)> {
        let all = self.all.iter().flatten();
        all.map(|(class, count)| (&**class, *count))
    }

    /// The class of an offer that comes.
    pub(crate) fn enter(&mut self, likeness: Likeness) -> Arc<Class> {
        if let Some(id) = self.known.get(&likeness)
            && let Some((class, count)) = &mut self.all[*id as usize]
        {
            *count += 1;
            return Arc::clone(class);
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            (self.all.len() - 1) as ClassId
        });
        let class = Arc::new(Class { id, likeness });
        self.known.insert(likeness, id);
        self.all[id as usize] = Some((Arc::clone(&class), 1));
        class
    }

    /// An offer goes.
    pub(crate) fn leave(&mut self, class: &Class) {
        let place = &mut self.all[class.id as usize];
        let Some((_, count)) = place else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            *place = None;
            self.known.remove(&class.likeness);
            self.free.push(class.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_offers_share_a_class_for_as_long_as_there_are_any() {
        let with = |cpus| Likeness {
            firm: Bag {
                cpus,
                ..Bag::default()
            },
            revocable: Bag::default(),
            mode: None,
            is_dedicated: false,
            unavailable_from: None,
        };
        let mut classes = Classes::default();
        let (one, other) = (classes.enter(with(1)), classes.enter(with(2)));
        assert_eq!((one.id, other.id, classes.enter(with(1)).id), (0, 1, 0));
        classes.leave(&one);
        assert_eq!(classes.enter(with(1)).id, 0);
        classes.leave(&one);
        classes.leave(&one);
        // Its number goes to the next.
        assert_eq!(classes.enter(with(3)).id, 0);
        let left: Vec<(i64, usize)> = classes
            .iter()
            .map(|(class, count)| (class.firm.cpus, count))
            .collect();
        assert_eq!(left, [(3, 1), (2, 1)]);
    }
}
