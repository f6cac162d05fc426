//! The offers that are held (aurora: `OfferManagerImpl.java`, `HostOffers.java`).
//!
//! An offer has a place in a dense table for as long as it is held. Whether a place still has the offer that was meant is asked
//! far more often than anything else, by all that remember offers, so the numbers of the offers are a column of their own;
//! all else of an offer is in its record. What remembers offers by number and place is not told when they go: it finds out.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hint::black_box;
use std::sync::Arc;

use aurora_api::model::MaintenanceMode;
use aurora_mesos::v1::{Offer, OfferId};

use super::agents::{Agents, Row};
use super::classes::{Class, Classes, Likeness};
use super::config::{Config, OfferOrder};
use super::filter::{Request, Unused};
use super::frames::{Frame, Frames};
use super::lots::{Lot, Shapes, loaned_cpus, usable};
use super::random::Random;
use super::store::{DEDICATED, FastMap, Host, Names, View};

/// A place in the table of offers.
pub(crate) type Place = u32;

/// Where an offer stands in the order in which offers are tried: hosts far from maintenance first, then as configured.
/// The sequence number makes it unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrderKey {
    mode: u8,
    /// Negated start of Mesos maintenance: none first, then the latest.
    unavailable: i64,
    criteria: [i64; 5],
    pub(crate) sequence: u64,
    /// Where the offer is.
    pub(crate) place: Place,
}

/// An offer with what matching needs of it.
#[derive(Debug)]
pub(crate) struct HeldOffer {
    pub(crate) key: OrderKey,
    pub(crate) id: Arc<str>,
    pub(crate) row: Row,
    pub(crate) agent: Arc<str>,
    pub(crate) host: Arc<Host>,
    pub(crate) class: Arc<Class>,
    pub(crate) lots: Vec<Lot>,
}

impl HeldOffer {
    /// What a request finds in it.
    pub(crate) fn unused(&self, request: &Request<'_>) -> Unused<'_> {
        Unused {
            host: &self.host,
            has: self.class.has(request.revocable),
            unavailable_from: self.class.unavailable_from,
        }
    }
}

/// How many ids of rescinded offers that were not held are remembered, in case the offer comes after its rescind.
const BANS: usize = 1024;

/// The offers, at most one an agent.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    records: Vec<Option<HeldOffer>>,
    /// The numbers of the offers at the places; 0 where there is none.
    numbers: Vec<u64>,
    free: Vec<Place>,
    /// The usable ones in order.
    order: BTreeSet<OrderKey>,
    /// Numbers and places by id; some are of offers that are gone.
    by_id: FastMap<Arc<str>, (u64, Place)>,
    /// Numbers and places of offers as they came; some are of offers that are gone.
    arrivals: VecDeque<(u64, Place)>,
    pub(super) classes: Classes,
    shapes: Shapes,
    frames: Frames,
    banned: HashSet<OfferId>,
    bans: VecDeque<OfferId>,
    last_sequence: u64,
    count: usize,
}

/// What became of an offer that arrived.
#[derive(Debug, PartialEq)]
pub(crate) enum Added {
    /// It is held under this key.
    Held(OrderKey),
    /// There was another of the same agent, named first; both are to be declined, so that Mesos puts them together.
    Twice([OfferId; 2]),
    /// It was rescinded before it came.
    Rescinded,
}

/// Fewer arrivals than this are not worth a sweep.
const LEAST_SWEPT: usize = 1024;

impl Offers {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The number of the newest offer.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Takes in an offer of an agent whose host is known as `host`. What the agent's next offer will say again is left in
    /// its row.
    pub(crate) fn add(
        &mut self,
        (config, names): (&Config, &Names),
        random: &mut Random,
        agents: &mut Agents,
        row: Row,
        (mut offer, host): (Offer, Arc<Host>),
    ) -> Added {
        if !self.banned.is_empty() && self.banned.remove(&offer.id) {
            self.bans.retain(|id| *id != offer.id);
            agents.at_mut(row).described = None;
            return Added::Rescinded;
        }
        if let Some(place) = agents.at(row).offer
            && let Some(other) = self.remove(agents, place)
        {
            agents.at_mut(row).described = None;
            return Added::Twice([(&*other.id).into(), offer.id]);
        }
        let lots = self
            .shapes
            .lots(config, std::mem::take(&mut offer.resources));
        let unavailability = offer.unavailability.as_ref();
        let likeness = Likeness {
            firm: usable(&lots, false),
            revocable: usable(&lots, true),
            mode: host.attributes.mode,
            is_dedicated: names.name(DEDICATED).is_some_and(|name| host.has(name)),
            unavailable_from: unavailability.map(|window| window.start.nanoseconds / 1_000_000),
        };
        let mut criteria = [0; 5];
        for (place, order) in criteria.iter_mut().zip(&config.offer_order) {
            *place = match order {
                OfferOrder::Cpu => likeness.firm.cpus,
                OfferOrder::Memory => likeness.firm.ram,
                OfferOrder::Disk => likeness.firm.disk,
                OfferOrder::RevocableCpu => match loaned_cpus(&lots) {
                    0 => i64::MAX,
                    cpus => cpus,
                },
                OfferOrder::Random => (random.next() >> 1) as i64,
            };
        }
        let key = OrderKey {
            mode: 0,
            unavailable: 0,
            criteria,
            sequence: 0,
            place: 0,
        };
        let id: Arc<str> = std::mem::take(&mut offer.id.value).into();
        let agent = agents.at_mut(row);
        if !agent.frame.as_ref().is_some_and(|said| said.says(&offer)) {
            agent.frame = Some(Box::new(self.frames.keep(offer, &host.name)));
        }
        let held = HeldOffer {
            key,
            id,
            row,
            agent: Arc::clone(&agent.id),
            class: self.classes.enter(likeness),
            host,
            lots,
        };
        Added::Held(self.insert(agents, held))
    }

    /// Holds an offer under a new number.
    fn insert(&mut self, agents: &mut Agents, mut held: HeldOffer) -> OrderKey {
        self.last_sequence += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.records.push(None);
            self.numbers.push(0);
            (self.records.len() - 1) as Place
        });
        held.key = OrderKey {
            mode: held.class.mode.unwrap_or(MaintenanceMode::None) as u8,
            unavailable: (held.class.unavailable_from).map_or(i64::MIN, i64::wrapping_neg),
            criteria: held.key.criteria,
            sequence: self.last_sequence,
            place,
        };
        let key = held.key;
        let entry = (key.sequence, place);
        self.by_id.insert(Arc::clone(&held.id), entry);
        self.arrivals.push_back(entry);
        agents.set_offer(held.row, Some(place));
        if held.class.is_usable() {
            self.order.insert(key);
        }
        self.count += 1;
        self.records[place as usize] = Some(held);
        self.numbers[place as usize] = key.sequence;
        if self.arrivals.len() > 2 * self.count + LEAST_SWEPT {
            let numbers = &self.numbers;
            let is_held = |(number, place): &(u64, Place)| numbers[*place as usize] == *number;
            self.arrivals.retain(is_held);
            self.by_id.retain(|_, entry| is_held(entry));
        }
        key
    }

    /// Whether the offer of this number is held at this place.
    fn is_held(&self, (number, place): (u64, Place)) -> bool {
        self.numbers.get(place as usize) == Some(&number)
    }

    /// The host of an agent's offer has changed: the offer counts as a new one. Its new key, if there is one.
    pub(crate) fn renew(
        &mut self,
        agents: &mut Agents,
        row: Row,
        host: &Arc<Host>,
        names: &Names,
    ) -> Option<OrderKey> {
        let mut held = self.remove(agents, agents.at(row).offer?)?;
        held.host = Arc::clone(host);
        held.class = self.classes.enter(Likeness {
            mode: host.attributes.mode,
            is_dedicated: names.name(DEDICATED).is_some_and(|name| host.has(name)),
            ..**held.class
        });
        Some(self.insert(agents, held))
    }

    /// The offer at a place.
    pub(crate) fn at(&self, place: Place) -> Option<&HeldOffer> {
        self.records.get(place as usize)?.as_ref()
    }

    pub(crate) fn get(&self, key: &OrderKey) -> Option<&HeldOffer> {
        if !self.is_held((key.sequence, key.place)) {
            return None;
        }
        self.at(key.place)
    }

    /// Takes the offer at a place away.
    pub(crate) fn remove(&mut self, agents: &mut Agents, place: Place) -> Option<HeldOffer> {
        let held = self.records.get_mut(place as usize)?.take()?;
        self.free.push(place);
        self.numbers[place as usize] = 0;
        self.order.remove(&held.key);
        self.classes.leave(&held.class);
        self.count -= 1;
        agents.set_offer(held.row, None);
        Some(held)
    }

    /// Takes an offer away that Mesos took back; whether it was held.
    pub(crate) fn rescind(&mut self, agents: &mut Agents, id: &OfferId) -> bool {
        if let Some(entry) = self.by_id.remove(id.value.as_str())
            && self.is_held(entry)
        {
            return self.remove(agents, entry.1).is_some();
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
    pub(crate) fn expire(&mut self, agents: &mut Agents, sequence: u64) -> Option<HeldOffer> {
        let (_, place) = *self.arrivals_from(sequence).next()?;
        if !self.is_held((sequence, place)) {
            return None;
        }
        self.remove(agents, place)
    }

    /// How many ids are known of offers that were rescinded before they came.
    pub(crate) fn banned(&self) -> usize {
        self.banned.len()
    }

    /// Forgets everything: the subscription that the offers belonged to is over.
    pub(crate) fn clear(&mut self, agents: &mut Agents) {
        for held in self.records.iter().flatten() {
            agents.set_offer(held.row, None);
        }
        *self = Offers {
            last_sequence: self.last_sequence,
            shapes: std::mem::take(&mut self.shapes),
            frames: std::mem::take(&mut self.frames),
            ..Offers::default()
        };
    }

    fn arrivals_from(&self, sequence: u64) -> impl Iterator<Item = &(u64, Place)> {
        // Most ask when nothing has come since.
        let start = if sequence > self.last_sequence {
            self.arrivals.len()
        } else {
            self.arrivals.partition_point(|(at, _)| *at < sequence)
        };
        self.arrivals.range(start..)
    }

    /// Usable offers that came after the one of this number.
    pub(crate) fn newer_than(&self, sequence: u64) -> impl Iterator<Item = &HeldOffer> {
        let arrivals = self.arrivals_from(sequence.saturating_add(1));
        let held = arrivals.filter(|entry| self.is_held(**entry));
        let held = held.filter_map(|(_, place)| self.at(*place));
        held.filter(|held| held.class.is_usable())
    }

    /// Usable offers behind a place in the order.
    pub(crate) fn behind(&self, place: Option<OrderKey>) -> impl Iterator<Item = &HeldOffer> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = place.map_or(Unbounded, Excluded);
        let keys = self.order.range((start, Unbounded));
        keys.filter_map(|key| self.at(key.place))
    }

    /// Reads of the next offers behind a place in the order what their launches will read. With a hundred thousand offers none
    /// of it is in the processor's cache; asked for together, the answers of the memory come together. So all offers are
    /// asked for one thing before any is asked for what lies behind that.
    pub(crate) fn read_ahead(
        &self,
        (agents, view): (&Agents, &View),
        place: Option<OrderKey>,
        count: usize,
    ) {
        let next: Vec<&HeldOffer> = self.behind(place).take(count).collect();
        for held in &next {
            let number = self.numbers.get(held.key.place as usize).copied();
            black_box((number, held.agent.len(), held.lots.len()));
        }
        for held in &next {
            let agent = agents.at(held.row);
            let texts = [&held.id, &held.agent];
            let texts = texts.map(|text| text.as_bytes().first().copied());
            let lots = [held.lots.first(), held.lots.last()];
            let lots = lots.map(|lot| lot.map(|lot| Arc::as_ptr(&lot.shape)));
            black_box((texts, lots, held.host.name.len()));
            black_box((agent.residents.len(), agent.offer));
        }
        for held in &next {
            black_box(held.host.name.as_bytes().first().copied());
        }
        view.read_ahead(next.iter().map(|held| &*held.host.name));
    }

    /// The last place in the order.
    pub(crate) fn last(&self) -> Option<OrderKey> {
        self.order.last().copied()
    }

    /// An offer as Mesos sent it.
    pub(crate) fn message(&self, agents: &Agents, held: &HeldOffer) -> Offer {
        let frame = agents.at(held.row).frame.as_deref();
        Offer {
            id: (&*held.id).into(),
            agent_id: (&*held.agent).into(),
            resources: held.lots.iter().map(Lot::to_resource).collect(),
            ..frame.map(Frame::message).unwrap_or_default()
        }
    }
}
