//! What a request shows to be let in.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Credentials of one server. The secret never shows in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// A secret without a name.
    Bearer(String),
    /// A user's password, from `~/.netrc`; or the secret of a local cluster, under the name of who runs the client.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
}

impl Auth {
    /// The value of the `Authorization` header, if there is one.
    pub fn header(&self) -> Option<String> {
        match self {
            Auth::None => None,
            Auth::Bearer(secret) => Some(format!("Bearer {secret}")),
            Auth::Basic { user, password } => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{password}"))
            )),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Bearer(_) => "Bearer(…)",
            Auth::Basic { .. } => "Basic(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(Auth::None.header(), None);
        assert_eq!(
            Auth::Bearer("abc".into()).header().as_deref(),
            Some("Bearer abc")
        );
        // printf 'Aladdin:open sesame' | base64 (RFC 7617, section 2)
        let basic = Auth::Basic {
            user: "Aladdin".into(),
            password: "open sesame".into(),
        };
        assert_eq!(
            basic.header().as_deref(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert!(!format!("{basic:?}").contains("sesame"));
    }
}
