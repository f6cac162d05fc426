//! The offers that are held (aurora: `OfferManagerImpl.java`, `HostOffers.java`).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use aurora_api::model::{HostAttributes, MaintenanceMode};
use aurora_mesos::v1::{Offer, OfferId};

use super::config::{Config, Millis, OfferOrder};
use super::filter::{Request, Unused};
use super::random::Random;
use super::resources::Bag;
use super::store::FastMap;

/// Where an offer stands in the order in which offers are tried: hosts far from maintenance first, then as configured.
/// The sequence number makes it unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrderKey {
    mode: u8,
    /// Negated start of Mesos maintenance: none first, then the latest.
    unavailable: i64,
    criteria: [i64; 5],
    pub(crate) sequence: u64,
}

/// An offer with what matching needs of it.
#[derive(Debug)]
pub(crate) struct HeldOffer {
    pub(crate) key: OrderKey,
    pub(crate) offer: Offer,
    pub(crate) agent: Arc<str>,
    pub(crate) host: Arc<str>,
    pub(crate) attributes: Arc<HostAttributes>,
    /// What a request that is not revocable can use of it.
    pub(crate) firm: Bag,
    /// What a revocable request can use of it.
    pub(crate) revocable: Bag,
    /// When Mesos plans to take the machine away.
    pub(crate) unavailable_from: Option<Millis>,
}

impl HeldOffer {
    /// What a request finds in it.
    pub(crate) fn unused(&self, request: &Request<'_>) -> Unused<'_> {
        Unused {
            host: &self.attributes,
            has: if request.revocable {
                &self.revocable
            } else {
                &self.firm
            },
            unavailable_from: self.unavailable_from,
        }
    }

    /// Whether it has any cores and any memory; without, it only shows that the agent is there.
    fn is_usable(&self) -> bool {
        let (firm, revocable) = (&self.firm, &self.revocable);
        (firm.cpus > 0 || revocable.cpus > 0) && (firm.ram > 0 || revocable.ram > 0)
    }
}

fn mode_of(attributes: &HostAttributes) -> u8 {
    attributes.mode.unwrap_or(MaintenanceMode::None) as u8
}

/// How many ids of rescinded offers that were not held are remembered, in case the offer comes after its rescind.
const BANS: usize = 1024;

/// The offers, at most one an agent.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    held: BTreeMap<OrderKey, Box<HeldOffer>>,
    by_id: FastMap<OfferId, OrderKey>,
    by_agent: FastMap<Arc<str>, OrderKey>,
    by_sequence: BTreeMap<u64, OrderKey>,
    banned: HashSet<OfferId>,
    bans: VecDeque<OfferId>,
    last_sequence: u64,
}

/// What became of an offer that arrived.
#[derive(Debug, PartialEq)]
pub(crate) enum Added {
    /// It is held under this sequence number.
    Held(u64),
    /// There was another of the same agent; both are to be declined, so that Mesos puts them together.
    Twice(OfferId),
    /// It was rescinded before it came.
    Rescinded,
}

impl Offers {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// The number of the newest offer.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    pub(crate) fn add(
        &mut self,
        config: &Config,
        random: &mut Random,
        offer: Offer,
        attributes: Arc<HostAttributes>,
    ) -> Added {
        if self.banned.remove(&offer.id) {
            self.bans.retain(|id| *id != offer.id);
            return Added::Rescinded;
        }
        let agent: Arc<str> = offer.agent_id.value.as_str().into();
        if let Some(key) = self.by_agent.get(&agent).copied()
            && let Some(other) = self.remove(key)
        {
            return Added::Twice(other.offer.id);
        }
        let firm = Bag::of_offer(&offer.resources, None);
        let revocable = Bag::of_offer(&offer.resources, Some(config));
        let unavailable_from = offer
            .unavailability
            .as_ref()
            .map(|window| window.start.nanoseconds / 1_000_000);
        let mut criteria = [0; 5];
        for (place, order) in criteria.iter_mut().zip(&config.offer_order) {
            *place = match order {
                OfferOrder::Cpu => firm.cpus,
                OfferOrder::Memory => firm.ram,
                OfferOrder::Disk => firm.disk,
                OfferOrder::RevocableCpu => match Bag::revocable_cpus(&offer.resources) {
                    0 => i64::MAX,
                    cpus => cpus,
                },
                OfferOrder::Random => (random.next() >> 1) as i64,
            };
        }
        let key = OrderKey {
            mode: mode_of(&attributes),
            unavailable: unavailable_from.map_or(i64::MIN, i64::wrapping_neg),
            criteria,
            sequence: 0,
        };
        let host = offer.hostname.as_str().into();
        Added::Held(self.insert(Box::new(HeldOffer {
            key,
            offer,
            agent,
            host,
            attributes,
            firm,
            revocable,
            unavailable_from,
        })))
    }

    /// Holds an offer under a new number.
    fn insert(&mut self, mut held: Box<HeldOffer>) -> u64 {
        self.last_sequence += 1;
        held.key.sequence = self.last_sequence;
        let key = held.key;
        self.by_id.insert(held.offer.id.clone(), key);
        self.by_agent.insert(Arc::clone(&held.agent), key);
        self.by_sequence.insert(key.sequence, key);
        self.held.insert(key, held);
        key.sequence
    }

    /// The host of an agent's offer has changed: the offer counts as a new one. Its new number, if there is one.
    pub(crate) fn renew(&mut self, agent: &str, attributes: &Arc<HostAttributes>) -> Option<u64> {
        let mut held = self.remove_agent(agent)?;
        held.key.mode = mode_of(attributes);
        held.attributes = Arc::clone(attributes);
        Some(self.insert(held))
    }

    pub(crate) fn get(&self, key: &OrderKey) -> Option<&HeldOffer> {
        self.held.get(key).map(|held| &**held)
    }

    pub(crate) fn remove(&mut self, key: OrderKey) -> Option<Box<HeldOffer>> {
        let held = self.held.remove(&key)?;
        self.by_id.remove(&held.offer.id);
        self.by_agent.remove(&held.agent);
        self.by_sequence.remove(&key.sequence);
        Some(held)
    }

    /// Takes an offer away that Mesos took back; whether it was held.
    pub(crate) fn rescind(&mut self, id: &OfferId) -> bool {
        if let Some(key) = self.by_id.get(id).copied() {
            return self.remove(key).is_some();
        }
        if self.banned.insert(id.clone()) {
            self.bans.push_back(id.clone());
            if self.bans.len() > BANS
                && let Some(oldest) = self.bans.pop_front()
            {
                self.banned.remove(&oldest);
            }
        }
        false
    }

    /// Takes the offer of a sequence number away, if it is still held.
    pub(crate) fn expire(&mut self, sequence: u64) -> Option<Box<HeldOffer>> {
        let key = self.by_sequence.get(&sequence).copied()?;
        self.remove(key)
    }

    /// The offer of an agent.
    pub(crate) fn of_agent(&self, agent: &str) -> Option<&HeldOffer> {
        self.get(self.by_agent.get(agent)?)
    }

    /// How many ids are known of offers that were rescinded before they came.
    pub(crate) fn banned(&self) -> usize {
        self.banned.len()
    }

    /// Takes an agent's offer away.
    pub(crate) fn remove_agent(&mut self, agent: &str) -> Option<Box<HeldOffer>> {
        let key = self.by_agent.get(agent).copied()?;
        self.remove(key)
    }

    /// Forgets everything: the subscription that the offers belonged to is over.
    pub(crate) fn clear(&mut self) {
        let last_sequence = self.last_sequence;
        *self = Offers {
            last_sequence,
            ..Offers::default()
        };
    }

    /// Usable offers that came after the one of this number.
    pub(crate) fn newer_than(&self, sequence: u64) -> impl Iterator<Item = &HeldOffer> {
        let keys = self.by_sequence.range(sequence + 1..).map(|(_, key)| key);
        keys.filter_map(|key| self.get(key))
            .filter(|held| held.is_usable())
    }

    /// Usable offers behind a place in the order.
    pub(crate) fn behind(&self, place: Option<OrderKey>) -> impl Iterator<Item = &HeldOffer> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = place.map_or(Unbounded, Excluded);
        self.held
            .range((start, Unbounded))
            .map(|(_, held)| &**held)
            .filter(|held| held.is_usable())
    }
}
