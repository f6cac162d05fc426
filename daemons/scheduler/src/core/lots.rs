//! An offer's resources in the form in which a hundred thousand offers are held.
//!
//! What is the same for most resources of a cluster - names, roles, reservations - is a [`Shape`], kept once. A [`Lot`] is an
//! amount of a shape: a message that takes a dozen pieces of memory becomes one, and what a request may use of it is worked
//! out when the shape is first seen.

use std::sync::Arc;

use aurora_mesos::v1::{Range, Ranges, Resource, Scalar};

use super::config::Config;
use super::resources::{Bag, Kind, amount_of, is_reserved, is_visible};

/// How many shapes are kept for the next offers; a cluster has a handful, unless its volumes are offered.
const SHAPES: usize = 64;

/// A resource without its amount.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The message, of which scalar and ranges are left out.
    resource: Resource,
    /// `None` for what no task asks for.
    pub(crate) kind: Option<Kind>,
    /// Whether others than this framework's role could not use it.
    pub(crate) reserved: bool,
    /// Whether requests that are not revocable, and such that are, may use it.
    visible: [bool; 2],
}

/// The shapes seen lately.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    known: Vec<Arc<Shape>>,
}

/// So much of a shape.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) shape: Arc<Shape>,
    amount: Amount,
}

/// How much of a shape. Most ports come as one range, for which no memory is taken.
#[derive(Clone, Debug)]
enum Amount {
    None,
    Scalar(f64),
    Range(Range),
    Ranges(Box<[Range]>),
}

impl Amount {
    fn of_ranges(ranges: Vec<Range>) -> Amount {
        match ranges.as_slice() {
            [only] => Amount::Range(only.clone()),
            _ => Amount::Ranges(ranges.into()),
        }
    }

    fn scalar(&self) -> Option<f64> {
        match self {
            Amount::Scalar(value) => Some(*value),
            _ => None,
        }
    }

    fn ranges(&self) -> Option<&[Range]> {
        match self {
            Amount::Range(only) => Some(std::slice::from_ref(only)),
            Amount::Ranges(ranges) => Some(ranges),
            Amount::None | Amount::Scalar(_) => None,
        }
    }
}

impl Shapes {
    /// Takes resources in.
    pub(crate) fn lots(&mut self, config: &Config, mut resources: Vec<Resource>) -> Vec<Lot> {
        // Not collected in place: a message takes thirty times the memory of a lot.
        let mut lots = Vec::with_capacity(resources.len());
        for resource in &mut resources {
            // A resource has one of them.
            let amount = match (resource.scalar.take(), resource.ranges.take()) {
                (Some(scalar), _) => Amount::Scalar(scalar.value),
                (None, Some(ranges)) => Amount::of_ranges(ranges.range),
                (None, None) => Amount::None,
            };
            let shape = self.shape(config, resource);
            lots.push(Lot { shape, amount });
        }
        lots
    }

    fn shape(&mut self, config: &Config, resource: &Resource) -> Arc<Shape> {
        let known = self.known.iter().find(|shape| shape.resource == *resource);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let kind = Kind::of(resource);
        let visible = |config| kind.is_some_and(|kind| is_visible(resource, kind, config));
        let shape = Arc::new(Shape {
            visible: [visible(None), visible(Some(config))],
            reserved: is_reserved(resource),
            kind,
            resource: resource.clone(),
        });
        if self.known.len() < SHAPES {
            self.known.push(Arc::clone(&shape));
        }
        shape
    }
}

impl Shape {
    /// Whether a request may use it.
    pub(crate) fn is_for(&self, revocable: bool) -> bool {
        self.visible[usize::from(revocable)]
    }
}

impl Lot {
    /// How much there is, in [`Bag`]'s units.
    pub(crate) fn amount(&self) -> i64 {
        let kind = self.shape.kind;
        kind.map_or(0, |kind| {
            amount_of(kind, self.amount.scalar(), self.ranges())
        })
    }

    pub(crate) fn scalar_mut(&mut self) -> Option<&mut f64> {
        match &mut self.amount {
            Amount::Scalar(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn ranges(&self) -> &[Range] {
        self.amount.ranges().unwrap_or_default()
    }

    /// The cores that Mesos may take back.
    fn loaned_cpus(&self) -> i64 {
        let shape = &self.shape;
        let loaned = shape.kind == Some(Kind::Cpus) && shape.resource.revocable.is_some();
        if loaned { self.amount() } else { 0 }
    }

    /// So much of the same shape.
    pub(crate) fn cut_scalar(&self, value: f64) -> Lot {
        Lot {
            shape: Arc::clone(&self.shape),
            amount: Amount::Scalar(value),
        }
    }

    /// Ranges of the same shape.
    pub(crate) fn cut_ranges(&self, ranges: Vec<Range>) -> Lot {
        Lot {
            shape: Arc::clone(&self.shape),
            amount: Amount::of_ranges(ranges),
        }
    }

    /// As a message.
    pub(crate) fn to_resource(&self) -> Resource {
        let ranges = self.amount.ranges().map(<[Range]>::to_vec);
        Resource {
            scalar: self.amount.scalar().map(|value| Scalar { value }),
            ranges: ranges.map(|range| Ranges { range }),
            ..self.shape.resource.clone()
        }
    }
}

/// What a request can use of an offer.
pub(crate) fn usable(lots: &[Lot], revocable: bool) -> Bag {
    let mut bag = Bag::default();
    for lot in lots.iter().filter(|lot| lot.shape.is_for(revocable)) {
        if let Some(kind) = lot.shape.kind {
            bag.add(kind, lot.amount());
        }
    }
    bag
}

/// The cores of an offer that Mesos may take back.
pub(crate) fn loaned_cpus(lots: &[Lot]) -> i64 {
    lots.iter()
        .map(Lot::loaned_cpus)
        .fold(0, i64::saturating_add)
}
