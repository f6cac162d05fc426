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
    scalar: Option<f64>,
    ranges: Option<Vec<Range>>,
}

impl Shapes {
    /// Takes resources in.
    pub(crate) fn lots(&mut self, config: &Config, mut resources: Vec<Resource>) -> Vec<Lot> {
        // Not collected in place: a message takes thirty times the memory of a lot.
        let mut lots = Vec::with_capacity(resources.len());
        for resource in &mut resources {
            let scalar = resource.scalar.take().map(|scalar| scalar.value);
            let ranges = resource.ranges.take().map(|ranges| ranges.range);
            lots.push(Lot {
                scalar,
                ranges,
                shape: self.shape(config, resource),
            });
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
        let ranges = self.ranges.as_deref().unwrap_or_default();
        self.shape
            .kind
            .map_or(0, |kind| amount_of(kind, self.scalar, ranges))
    }

    pub(crate) fn scalar_mut(&mut self) -> Option<&mut f64> {
        self.scalar.as_mut()
    }

    pub(crate) fn ranges(&self) -> &[Range] {
        self.ranges.as_deref().unwrap_or_default()
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
            scalar: Some(value),
            ranges: None,
        }
    }

    /// Ranges of the same shape.
    pub(crate) fn cut_ranges(&self, ranges: Vec<Range>) -> Lot {
        Lot {
            shape: Arc::clone(&self.shape),
            scalar: None,
            ranges: Some(ranges),
        }
    }

    /// As a message.
    pub(crate) fn to_resource(&self) -> Resource {
        Resource {
            scalar: self.scalar.map(|value| Scalar { value }),
            ranges: self.ranges.clone().map(|range| Ranges { range }),
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
