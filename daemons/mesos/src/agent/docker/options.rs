//! The parameters of a Docker container, which are options of the command `docker run`, in the engine's call.

use serde_json::{Map, Value, json};

/// How an option's values appear in the call.
#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    /// An option that is given several times.
    List,
    /// `key=value`, several times.
    Table,
    Switch,
}

/// Options of `docker run` by name, with where they stand in the call. A path begins with the object, if it is not the top.
const OPTIONS: &[(&str, &str, &str, Form)] = &[
    ("add-host", "HostConfig", "ExtraHosts", Form::List),
    ("cap-add", "HostConfig", "CapAdd", Form::List),
    ("cap-drop", "HostConfig", "CapDrop", Form::List),
    ("dns", "HostConfig", "Dns", Form::List),
    ("dns-search", "HostConfig", "DnsSearch", Form::List),
    ("domainname", "", "Domainname", Form::Text),
    ("env", "", "Env", Form::List),
    ("group-add", "HostConfig", "GroupAdd", Form::List),
    ("hostname", "", "Hostname", Form::Text),
    ("init", "HostConfig", "Init", Form::Switch),
    ("ipc", "HostConfig", "IpcMode", Form::Text),
    ("label", "", "Labels", Form::Table),
    ("net", "HostConfig", "NetworkMode", Form::Text),
    ("network", "HostConfig", "NetworkMode", Form::Text),
    ("pid", "HostConfig", "PidMode", Form::Text),
    ("privileged", "HostConfig", "Privileged", Form::Switch),
    ("read-only", "HostConfig", "ReadonlyRootfs", Form::Switch),
    ("runtime", "HostConfig", "Runtime", Form::Text),
    ("security-opt", "HostConfig", "SecurityOpt", Form::List),
    ("sysctl", "HostConfig", "Sysctls", Form::Table),
    ("user", "", "User", Form::Text),
    ("userns", "HostConfig", "UsernsMode", Form::Text),
    ("uts", "HostConfig", "UTSMode", Form::Text),
    ("volume", "HostConfig", "Binds", Form::List),
    ("volumes-from", "HostConfig", "VolumesFrom", Form::List),
    ("workdir", "", "WorkingDir", Form::Text),
];
/// Short names of some of them.
const SHORT: &[(&str, &str)] = &[
    ("e", "env"),
    ("h", "hostname"),
    ("l", "label"),
    ("u", "user"),
    ("v", "volume"),
    ("w", "workdir"),
];

/// Carries one parameter over. The error says that it is not known here, or has a value that it cannot have.
pub(super) fn set(call: &mut Value, key: &str, value: &str) -> Result<(), String> {
    let name = SHORT
        .iter()
        .find(|(short, _)| *short == key)
        .map_or(key, |(_, long)| long);
    let (_, object, field, form) = OPTIONS
        .iter()
        .find(|(option, ..)| *option == name)
        .ok_or_else(|| format!("the Docker parameter {key:?} is not supported by this agent"))?;
    let place = if object.is_empty() {
        &mut call[*field]
    } else {
        &mut call[*object][*field]
    };
    match form {
        Form::Text => *place = json!(value),
        Form::Switch => {
            let is_on = value.is_empty() || value == "true";
            if !is_on && value != "false" {
                return Err(format!(
                    "the Docker parameter {key} is true or false, not {value:?}"
                ));
            }
            *place = json!(is_on);
        }
        Form::List => match place {
            Value::Array(list) => list.push(json!(value)),
            none => *none = json!([value]),
        },
        Form::Table => {
            let (left, right) = value.split_once('=').unwrap_or((value, ""));
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place[left] = json!(right);
        }
    }
    Ok(())
}
