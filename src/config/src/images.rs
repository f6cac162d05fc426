//! Docker images by tag: `{{docker.image[name][tag]}}`, which clients replace by what a registry calls the image.

use pystachio::{Component, Raw, Ref, Value};

use crate::fault::{Checked, of_value};

/// What stands for a digest where nothing is asked of a registry.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The name that such a reference gives.
fn image(reference: &Ref) -> Option<&str> {
    match reference.components() {
        [
            Component::Dereference(docker),
            Component::Dereference(image),
            Component::Index(name),
            Component::Index(_),
        ] if &**docker == "docker" && &**image == "image" => Some(name),
        _ => None,
    }
}

/// The job with all such references bound, for checks that ask no registry.
pub(crate) fn with_placeholders(job: &Value) -> Checked<Value> {
    // A job whose references cannot be listed has faults that the checks tell.
    let unbound = job.unbound().unwrap_or_default();
    let pairs: Vec<(Raw, Raw)> = unbound
        .iter()
        .filter_map(|reference| {
            let text = format!("{}@{NO_DIGEST}", image(reference)?);
            Some((Raw::from(reference.address()), Raw::from(text)))
        })
        .collect();
    job.bind(vec![Raw::Dict(pairs)])
        .map_err(|error| of_value("", &error))
}
