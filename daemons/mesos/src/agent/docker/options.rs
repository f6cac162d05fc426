//! From `DockerInfo` to the engine's call: the parameters are options of the command `docker run`.

use std::path::Path;

use aurora_mesos::v1::{DockerNetwork, Volume, VolumeMode};
use serde_json::{Map, Value, json};

use super::{SANDBOX, Wanted};

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

/// The body of the call.
pub(super) fn create(wanted: Wanted<'_>) -> Result<Value, String> {
    let Wanted {
        info,
        command,
        volumes,
        sandbox,
        memory,
    } = wanted;
    if !info.port_mappings.is_empty() {
        return Err("port mappings of Docker containers are not supported".to_owned());
    }
    let mut binds = vec![format!("{}:{SANDBOX}", sandbox.display())];
    for volume in volumes {
        binds.push(bind(volume, sandbox)?);
    }
    let network = match info.network {
        DockerNetwork::Host => "host",
        DockerNetwork::Bridge => "bridge",
        DockerNetwork::None => "none",
        DockerNetwork::User => return Err("a network of one's own is not supported".to_owned()),
    };
    let mut call = json!({
        "Image": info.image,
        "HostConfig": {
            "Binds": binds, "NetworkMode": network, "Memory": memory, "Privileged": info.privileged,
        },
    });
    match (command.shell, command.value.as_deref()) {
        (true, Some(line)) => {
            call["Entrypoint"] = json!(["/bin/sh"]);
            call["Cmd"] = json!(["-c", line]);
        }
        (false, Some(program)) => {
            call["Entrypoint"] = json!([program]);
            // The first argument is the program's name for itself.
            call["Cmd"] = json!(command.arguments.get(1..).unwrap_or_default());
        }
        (_, None) => call["Cmd"] = json!(command.arguments),
    }
    for parameter in &info.parameters {
        set(&mut call, &parameter.key, &parameter.value)?;
    }
    Ok(call)
}

fn bind(volume: &Volume, sandbox: &Path) -> Result<String, String> {
    let Some(host) = &volume.host_path else {
        return Err(format!(
            "the volume at {} has no host path",
            volume.container_path
        ));
    };
    let host = sandbox.join(host);
    let inside = Path::new(SANDBOX).join(&volume.container_path);
    let mode = match volume.mode {
        VolumeMode::Ro => "ro",
        _ => "rw",
    };
    Ok(format!("{}:{}:{mode}", host.display(), inside.display()))
}

fn set(call: &mut Value, key: &str, value: &str) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_mesos::v1::{CommandInfo, DockerInfo, Parameter};

    fn info(parameters: &[(&str, &str)]) -> DockerInfo {
        DockerInfo {
            image: "web:1".to_owned(),
            parameters: parameters
                .iter()
                .map(|(key, value)| Parameter {
                    key: (*key).to_owned(),
                    value: (*value).to_owned(),
                })
                .collect(),
            ..DockerInfo::default()
        }
    }

    fn made(info: &DockerInfo, command: &CommandInfo, volumes: &[Volume]) -> Result<Value, String> {
        create(Wanted {
            info,
            command,
            volumes,
            sandbox: Path::new("/box"),
            memory: 7,
        })
    }

    #[test]
    fn options_of_docker_run_in_the_engines_call() {
        let volume = Volume {
            container_path: "/data".to_owned(),
            host_path: Some("/srv/data".to_owned()),
            mode: VolumeMode::Ro,
            ..Volume::default()
        };
        let command = CommandInfo {
            value: Some("exec serve".to_owned()),
            ..CommandInfo::default()
        };
        let parameters = [
            ("env", "A=1"),
            ("e", "B=2"),
            ("label", "team=x=y"),
            ("net", "bridge"),
            ("v", "/a:/b"),
            ("privileged", "true"),
            ("user", "www"),
        ];
        let call = made(&info(&parameters), &command, &[volume]);
        // As `docker run --net=bridge …` sends it.
        let expected = json!({
            "Image": "web:1", "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "exec serve"],
            "Env": ["A=1", "B=2"], "Labels": {"team": "x=y"}, "User": "www",
            "HostConfig": {
                "Binds": ["/box:/mnt/mesos/sandbox", "/srv/data:/data:ro", "/a:/b"],
                "NetworkMode": "bridge", "Memory": 7, "Privileged": true,
            },
        });
        assert_eq!(call, Ok(expected));
        let plain = CommandInfo {
            shell: false,
            value: Some("/bin/serve".to_owned()),
            arguments: vec!["serve".to_owned(), "-x".to_owned()],
            ..CommandInfo::default()
        };
        let call = made(&info(&[]), &plain, &[]).unwrap();
        assert_eq!(
            (&call["Entrypoint"], &call["Cmd"]),
            (&json!(["/bin/serve"]), &json!(["-x"]))
        );
        for (key, value, words) in [
            ("gpus", "all", "\"gpus\" is not supported"),
            ("privileged", "perhaps", "is true or false"),
        ] {
            let call = made(&info(&[(key, value)]), &command, &[]);
            assert!(call.unwrap_err().contains(words), "{key}");
        }
    }
}
