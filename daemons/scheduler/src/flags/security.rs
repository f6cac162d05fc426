//! The flags of users and their permissions.

use std::path::PathBuf;

use crate::security::{Realm, RealmError};

/// Users with permissions, beside the secret of --token-file.
#[derive(Clone, Debug, clap::Args)]
pub struct SecurityFlags {
    /// How users show who they are: NONE, or BASIC with the users of --shiro-ini-path.
    #[arg(long, value_name = "NAME", default_value = "NONE", value_parser = mechanism, requires_if("BASIC", "shiro_ini_path"))]
    pub http_authentication_mechanism: String,

    /// Where users come from: INI_AUTHNZ is --shiro-ini-path.
    #[arg(long, value_name = "NAME", default_value = "INI_AUTHNZ", value_parser = ["INI_AUTHNZ"])]
    pub shiro_realm_modules: String,

    /// File with the sections [users] and [roles] of Apache Shiro.
    #[arg(long, value_name = "FILE")]
    pub shiro_ini_path: Option<PathBuf>,
}

fn mechanism(text: &str) -> Result<String, String> {
    match text {
        "NONE" | "BASIC" => Ok(text.to_owned()),
        "NEGOTIATE" => Err("there is no Kerberos; use BASIC".to_owned()),
        _ => Err("it is NONE or BASIC".to_owned()),
    }
}

impl SecurityFlags {
    /// The users; `None` when nobody is asked for a name.
    ///
    /// # Errors
    /// Of reading their file.
    pub(crate) fn realm(&self) -> Result<Option<Realm>, RealmError> {
        let path = self.shiro_ini_path.as_deref();
        let path = path.filter(|_| self.http_authentication_mechanism == "BASIC");
        path.map(Realm::load).transpose()
    }
}
