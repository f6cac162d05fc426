//! What agents say in every offer besides resources, in the form in which a hundred thousand are kept.
//!
//! The message of an agent differs from that of its neighbour in a few texts; all else is kept once for both.

use std::collections::VecDeque;
use std::sync::Arc;

use aurora_mesos::v1::{Attribute, ExecutorId, Offer, Unavailability, Url};

/// How many messages are kept for the next agents to share; a cluster has one for each set of attributes' names.
const COMMON: usize = 64;

/// An agent's latest offer, of which id and resources are left out.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The message without what differs between agents, which is below.
    common: Arc<Offer>,
    host: Arc<str>,
    /// The values of the attributes that are texts, in their order.
    texts: Box<[Box<str>]>,
    url: Option<Box<Url>>,
    executor_ids: Box<[ExecutorId]>,
    unavailability: Option<Box<Unavailability>>,
}

/// The messages that agents share.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The newest is the last.
    common: VecDeque<Arc<Offer>>,
}

impl Frames {
    /// Keeps the offer of a host; id, agent and resources are not kept.
    pub(crate) fn keep(&mut self, offer: Offer, host: &Arc<str>) -> Frame {
        let mut attributes = offer.attributes;
        let texts = attributes.iter_mut().filter_map(|one| one.text.as_mut());
        let texts = texts.map(|text| std::mem::take(&mut text.value).into());
        Frame {
            texts: texts.collect(),
            host: Arc::clone(host),
            url: offer.url.map(Box::new),
            executor_ids: offer.executor_ids.into(),
            unavailability: offer.unavailability.map(Box::new),
            common: self.share(Offer {
                framework_id: offer.framework_id,
                domain: offer.domain,
                allocation_info: offer.allocation_info,
                attributes,
                ..Offer::default()
            }),
        }
    }

    fn share(&mut self, common: Offer) -> Arc<Offer> {
        if let Some(known) = self.common.iter().find(|known| ***known == common) {
            return Arc::clone(known);
        }
        if self.common.len() == COMMON {
            self.common.pop_front();
        }
        let common = Arc::new(common);
        self.common.push_back(Arc::clone(&common));
        common
    }
}

impl Frame {
    /// Whether an offer describes its host as this one did.
    pub(crate) fn describes(&self, offer: &Offer) -> bool {
        let kept = &self.common.attributes;
        let mut texts = self.texts.iter();
        *self.host == *offer.hostname
            && kept.len() == offer.attributes.len()
            && (kept.iter().zip(&offer.attributes))
                .all(|(kept, offered)| is_same(kept, &mut texts, offered))
    }

    /// Whether an offer says the same as this one did, whatever its resources are.
    pub(crate) fn says(&self, offer: &Offer) -> bool {
        // All fields are named, so that a new one is not forgotten.
        let Offer {
            id: _,
            agent_id: _,
            resources: _,
            hostname: _,
            attributes: _,
            framework_id,
            url,
            domain,
            executor_ids,
            unavailability,
            allocation_info,
        } = offer;
        let common = &*self.common;
        self.describes(offer)
            && common.framework_id == *framework_id
            && common.domain == *domain
            && common.allocation_info == *allocation_info
            && self.url.as_deref() == url.as_ref()
            && *self.executor_ids == **executor_ids
            && self.unavailability.as_deref() == unavailability.as_ref()
    }

    /// The offer as it came.
    pub(crate) fn message(&self) -> Offer {
        let mut offer = Offer::clone(&self.common);
        let texts = offer.attributes.iter_mut();
        let texts = texts.filter_map(|attribute| attribute.text.as_mut());
        for (text, kept) in texts.zip(&self.texts) {
            text.value = kept.to_string();
        }
        Offer {
            hostname: self.host.to_string(),
            url: self.url.as_deref().cloned(),
            executor_ids: self.executor_ids.to_vec(),
            unavailability: self.unavailability.as_deref().cloned(),
            ..offer
        }
    }
}

/// Whether an attribute is offered as it was kept; the text of what is a text is the next of `texts`.
fn is_same<'a>(
    kept: &Attribute,
    texts: &mut impl Iterator<Item = &'a Box<str>>,
    offered: &Attribute,
) -> bool {
    let text = kept.text.as_ref().and_then(|_| texts.next());
    text.map(|text| &**text) == offered.text.as_ref().map(|text| &*text.value)
        && kept.name == offered.name
        && kept.kind == offered.kind
        && kept.scalar == offered.scalar
        && kept.ranges == offered.ranges
        && kept.set == offered.set
}
