//! Who may sign the certificates of servers: the system's authorities (or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! instead), else those of the file that upstream's HTTP library, requests, would read.

use std::io::Read;
use std::path::{Path, PathBuf};

use reqwest::Certificate;

use crate::http::{HttpError, describe};

/// In the order of requests.
const VARIABLES: [&str; 2] = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// What to do when no authority is known, or not the right one.
pub(crate) const HINT: &str =
    "SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file with the authorities to trust";

/// The system's list of authorities is some hundreds of kilobytes long.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The authorities to trust instead of the system's; `None` when no variable names any.
///
/// # Errors
/// When a file is named that has none.
pub(crate) fn named() -> Result<Option<Vec<Certificate>>, HttpError> {
    let mut given = VARIABLES.iter().filter_map(|name| {
        let path = std::env::var_os(name).filter(|path| !path.is_empty())?;
        Some((*name, PathBuf::from(path)))
    });
    let Some((name, path)) = given.next() else {
        return Ok(None);
    };
    let read = read(&path);
    let unusable = |why| {
        let path = path.display();
        HttpError::Setup(format!("the authorities of {path} (${name}): {why}"))
    };
    read.map(Some).map_err(unusable)
}

fn read(path: &Path) -> Result<Vec<Certificate>, String> {
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut pem))
        .map_err(|error| error.to_string())?;
    if pem.len() as u64 > MAX_BYTES {
        return Err(format!("the file is larger than {MAX_BYTES} bytes"));
    }
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| describe(&error))?;
    if found.is_empty() {
        return Err("the file holds no certificate in PEM form".to_owned());
    }
    Ok(found)
}
