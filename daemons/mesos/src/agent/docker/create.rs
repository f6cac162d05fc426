//! From `ContainerInfo` to the body of the engine's call `containers/create` (mesos: `Docker::RunOptions::create` of
//! `src/docker/docker.cpp`).

use std::path::Path;

use aurora_mesos::v1::{
    CommandInfo, ContainerInfo, DockerInfo, DockerNetwork, Range, Volume, VolumeMode,
};
use serde_json::{Map, Value, json};

use super::{SANDBOX, Wanted, options};
use crate::agent::cgroup::{CFS_PERIOD_US, Limits, MIN_CFS_QUOTA_US, MIN_MEMORY_BYTES};

/// The body of the call. The error is a sentence.
pub(super) fn create(wanted: Wanted<'_>) -> Result<Value, String> {
    let Wanted {
        container,
        command,
        ports,
        sandbox,
        limits,
    } = wanted;
    let info = container
        .docker
        .as_ref()
        .ok_or("No docker info found in container info")?;
    let mut host = Map::new();
    host.insert("Privileged".to_owned(), json!(info.privileged));
    let network = network(container, info)?;
    host.insert("NetworkMode".to_owned(), json!(network));
    mount(&mut host, container, info, sandbox)?;
    limit(&mut host, limits);
    let mut call = json!({"Image": info.image});
    if let Some(hostname) = &container.hostname {
        if network == "host" {
            return Err("Unable to set hostname with host network mode".to_owned());
        }
        call["Hostname"] = json!(hostname);
    }
    map_ports(&mut call, &mut host, info, network, ports)?;
    call["HostConfig"] = Value::Object(host);
    run(&mut call, command)?;
    for parameter in &info.parameters {
        options::set(&mut call, &parameter.key, &parameter.value)?;
    }
    Ok(call)
}

fn network<'a>(container: &'a ContainerInfo, info: &DockerInfo) -> Result<&'a str, String> {
    match info.network {
        DockerNetwork::Host => Ok("host"),
        DockerNetwork::Bridge => Ok("bridge"),
        DockerNetwork::None => Ok("none"),
        DockerNetwork::User => match container.network_infos.as_slice() {
            [] => Err("No network info found in container info".to_owned()),
            [network] => network
                .name
                .as_deref()
                .ok_or_else(|| "No network name found in network info".to_owned()),
            _ => Err("Only a single network can be defined in Docker run".to_owned()),
        },
    }
}

/// The volumes, and the sandbox itself.
fn mount(
    host: &mut Map<String, Value>,
    container: &ContainerInfo,
    info: &DockerInfo,
    sandbox: &Path,
) -> Result<(), String> {
    let mut binds = vec![format!("{}:{SANDBOX}", sandbox.display())];
    let mut driver = info.volume_driver.as_deref();
    for volume in &container.volumes {
        let named = volume
            .source
            .as_ref()
            .and_then(|source| source.docker_volume.as_ref());
        let inside = &volume.container_path;
        let source = match (&volume.host_path, named) {
            (Some(path), _) if !path.starts_with('/') && !inside.starts_with('/') => {
                return Err(format!(
                    "Both host_path '{path}' and container_path '{inside}' of a volume are relative"
                ));
            }
            // A name that the driver understands.
            (Some(path), _) if info.volume_driver.is_some() => path.clone(),
            (Some(path), _) => sandbox.join(path).display().to_string(),
            (None, Some(named)) => {
                let own = named.driver.as_deref();
                if own.is_some() && driver.is_some() && own != driver {
                    return Err("Only one volume driver is supported".to_owned());
                }
                driver = own.or(driver);
                named.name.clone()
            }
            (None, None) => return Err("Host path or volume source is required".to_owned()),
        };
        binds.push(bind(&source, volume));
    }
    host.insert("Binds".to_owned(), json!(binds));
    if let Some(driver) = driver {
        host.insert("VolumeDriver".to_owned(), json!(driver));
    }
    Ok(())
}

fn bind(source: &str, volume: &Volume) -> String {
    let inside = Path::new(SANDBOX).join(&volume.container_path);
    let mode = match volume.mode {
        VolumeMode::Ro => "ro",
        _ => "rw",
    };
    format!("{source}:{}:{mode}", inside.display())
}

/// What has no limit is left out.
fn limit(host: &mut Map<String, Value>, limits: &Limits) {
    let mut set = |name: &str, value: f64| {
        if value < i64::MAX as f64 {
            host.insert(name.to_owned(), json!(value as i64));
        }
    };
    set("CpuShares", (1024.0 * limits.cpus).max(2.0));
    if let Some(cpus) = limits.cpus_limit.filter(|cpus| cpus.is_finite()) {
        set("CpuPeriod", CFS_PERIOD_US as f64);
        set(
            "CpuQuota",
            (CFS_PERIOD_US as f64 * cpus).max(MIN_CFS_QUOTA_US as f64),
        );
    }
    let bytes = |bytes: u64| bytes.max(MIN_MEMORY_BYTES) as f64;
    if let Some(limit) = limits.memory_limit {
        set("MemoryReservation", bytes(limits.memory));
        set("Memory", bytes(limit));
    } else {
        set("Memory", bytes(limits.memory));
    }
    if let Some(pids) = limits.pids {
        set("PidsLimit", pids as f64);
    }
}

/// A port of the machine has to be one of the container's resources.
fn map_ports(
    call: &mut Value,
    host: &mut Map<String, Value>,
    info: &DockerInfo,
    network: &str,
    ports: &[Range],
) -> Result<(), String> {
    if info.port_mappings.is_empty() {
        return Ok(());
    }
    if matches!(network, "host" | "none") {
        return Err(
            "Port mappings are only supported for bridge and user-defined networks".to_owned(),
        );
    }
    let (mut exposed, mut bindings) = (Map::new(), Map::new());
    for mapping in &info.port_mappings {
        let port = u64::from(mapping.host_port);
        if !ports
            .iter()
            .any(|range| (range.begin..=range.end).contains(&port))
        {
            return Err(format!("Port [{port}] not included in resources"));
        }
        let protocol = mapping.protocol.as_deref().unwrap_or("tcp");
        let inside = format!("{}/{protocol}", mapping.container_port);
        exposed.insert(inside.clone(), json!({}));
        let binding = json!({"HostPort": port.to_string()});
        match bindings.entry(inside).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(binding),
            other => *other = binding,
        }
    }
    call["ExposedPorts"] = Value::Object(exposed);
    host.insert("PortBindings".to_owned(), Value::Object(bindings));
    Ok(())
}

/// A shell takes the place of the image's entry point; without one the command is its arguments, or nothing but the image's
/// own.
fn run(call: &mut Value, command: &CommandInfo) -> Result<(), String> {
    if command.shell {
        let line = command
            .value
            .as_deref()
            .ok_or("Shell specified but no command value provided")?;
        call["Entrypoint"] = json!(["/bin/sh"]);
        call["Cmd"] = json!(["-c", line]);
        return Ok(());
    }
    let words: Vec<&String> = command.value.iter().chain(&command.arguments).collect();
    if !words.is_empty() {
        call["Cmd"] = json!(words);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_mesos::v1::{
        ContainerType, DockerPortMapping, NetworkInfo, Parameter, VolumeSource,
        VolumeSourceDockerVolume, VolumeSourceType,
    };

    const LIMITS: Limits = Limits {
        cpus: 0.5,
        cpus_limit: None,
        memory: 64 << 20,
        memory_limit: None,
        pids: None,
    };

    fn container(docker: DockerInfo) -> ContainerInfo {
        ContainerInfo {
            kind: ContainerType::Docker,
            docker: Some(docker),
            ..ContainerInfo::default()
        }
    }

    fn parameters(parameters: &[(&str, &str)]) -> DockerInfo {
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

    fn made(container: &ContainerInfo, command: &CommandInfo) -> Result<Value, String> {
        create(Wanted {
            container,
            command,
            ports: &[Range {
                begin: 31000,
                end: 31001,
            }],
            sandbox: Path::new("/box"),
            limits: &LIMITS,
        })
    }

    fn shell(line: &str) -> CommandInfo {
        CommandInfo {
            value: Some(line.to_owned()),
            ..CommandInfo::default()
        }
    }

    fn volume(container_path: &str, host_path: Option<&str>) -> Volume {
        Volume {
            container_path: container_path.to_owned(),
            host_path: host_path.map(str::to_owned),
            mode: VolumeMode::Ro,
            ..Volume::default()
        }
    }

    #[test]
    fn options_of_docker_run_in_the_engines_call() {
        let given = [
            ("env", "A=1"),
            ("e", "B=2"),
            ("label", "team=x=y"),
            ("net", "bridge"),
            ("v", "/a:/b"),
            ("privileged", "true"),
            ("user", "www"),
        ];
        let mut wanted = container(parameters(&given));
        wanted.volumes = vec![volume("/data", Some("/srv/data"))];
        // As `docker run --net=bridge …` sends it.
        let expected = json!({
            "Image": "web:1", "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "exec serve"],
            "Env": ["A=1", "B=2"], "Labels": {"team": "x=y"}, "User": "www",
            "HostConfig": {
                "Binds": ["/box:/mnt/mesos/sandbox", "/srv/data:/data:ro", "/a:/b"],
                "NetworkMode": "bridge", "Memory": 64 << 20, "CpuShares": 512, "Privileged": true,
            },
        });
        assert_eq!(made(&wanted, &shell("exec serve")), Ok(expected));
        for (key, value, words) in [
            ("gpus", "all", "\"gpus\" is not supported"),
            ("privileged", "perhaps", "is true or false"),
        ] {
            let call = made(&container(parameters(&[(key, value)])), &shell("true"));
            assert!(call.unwrap_err().contains(words), "{key}");
        }
    }

    /// mesos: the image's entry point gets the whole command as its arguments.
    #[test]
    fn without_a_shell_the_command_is_for_the_images_entry_point() {
        let words = CommandInfo {
            shell: false,
            value: Some("serve".to_owned()),
            arguments: vec!["-x".to_owned()],
            ..CommandInfo::default()
        };
        let nothing = CommandInfo {
            shell: false,
            ..CommandInfo::default()
        };
        for (command, expected) in [(words, json!(["serve", "-x"])), (nothing, Value::Null)] {
            let call = made(&container(parameters(&[])), &command).unwrap();
            assert_eq!(
                (&call["Entrypoint"], &call["Cmd"]),
                (&Value::Null, &expected)
            );
        }
        let absent = CommandInfo::default();
        assert_eq!(
            made(&container(parameters(&[])), &absent).unwrap_err(),
            "Shell specified but no command value provided"
        );
    }

    #[test]
    fn networks_and_ports_of_docker_containers() {
        let named = NetworkInfo {
            name: Some("blue".to_owned()),
            ..NetworkInfo::default()
        };
        let mapping = |host_port, protocol: Option<&str>| DockerPortMapping {
            host_port,
            container_port: 80,
            protocol: protocol.map(str::to_owned),
        };
        let with = |network, ports: &[DockerPortMapping], networks: &[NetworkInfo]| {
            let info = DockerInfo {
                network,
                port_mappings: ports.to_vec(),
                ..parameters(&[])
            };
            let wanted = ContainerInfo {
                network_infos: networks.to_vec(),
                ..container(info)
            };
            made(&wanted, &shell("true"))
        };
        let ports = [
            mapping(31000, None),
            mapping(31001, None),
            mapping(31001, Some("udp")),
        ];
        let user = [named.clone()];
        for (network, networks, name) in [
            (DockerNetwork::Bridge, &[][..], "bridge"),
            (DockerNetwork::User, &user, "blue"),
        ] {
            let call = with(network, &ports, networks).unwrap();
            // `docker run -p 31000:80 -p 31001:80 -p 31001:80/udp`
            assert_eq!(call["ExposedPorts"], json!({"80/tcp": {}, "80/udp": {}}));
            assert_eq!(
                call["HostConfig"]["PortBindings"],
                json!({"80/tcp": [{"HostPort": "31000"}, {"HostPort": "31001"}], "80/udp": [{"HostPort": "31001"}]})
            );
            assert_eq!(call["HostConfig"]["NetworkMode"], name);
        }
        let unnamed = [NetworkInfo::default()];
        let two = [named.clone(), named.clone()];
        let none: &[NetworkInfo] = &[];
        // The texts are Mesos'.
        for (network, ports, networks, refusal) in [
            (
                DockerNetwork::Host,
                &ports[..],
                none,
                "Port mappings are only supported for bridge and user-defined networks",
            ),
            (
                DockerNetwork::None,
                &ports,
                none,
                "Port mappings are only supported for bridge and user-defined networks",
            ),
            (
                DockerNetwork::Bridge,
                &[mapping(31002, None)],
                none,
                "Port [31002] not included in resources",
            ),
            (
                DockerNetwork::User,
                &[],
                none,
                "No network info found in container info",
            ),
            (
                DockerNetwork::User,
                &[],
                &unnamed,
                "No network name found in network info",
            ),
            (
                DockerNetwork::User,
                &[],
                &two,
                "Only a single network can be defined in Docker run",
            ),
        ] {
            assert_eq!(with(network, ports, networks).unwrap_err(), refusal);
        }
        let mut hosted = container(parameters(&[]));
        hosted.hostname = Some("web".to_owned());
        assert_eq!(
            made(&hosted, &shell("true")).unwrap_err(),
            "Unable to set hostname with host network mode"
        );
    }

    #[test]
    fn volumes_of_docker_containers() {
        let by_driver = |driver: &str| Volume {
            source: Some(VolumeSource {
                kind: Some(VolumeSourceType::DockerVolume),
                docker_volume: Some(VolumeSourceDockerVolume {
                    driver: Some(driver.to_owned()),
                    name: "disk1".to_owned(),
                    ..VolumeSourceDockerVolume::default()
                }),
                ..VolumeSource::default()
            }),
            ..volume("/disk", None)
        };
        let with = |volumes: &[Volume]| {
            let wanted = ContainerInfo {
                volumes: volumes.to_vec(),
                ..container(parameters(&[]))
            };
            made(&wanted, &shell("true"))
        };
        let call = with(&[
            volume("/logs", Some("logs")),
            volume("cache", Some("/var/cache")),
            by_driver("rexray"),
        ])
        .unwrap();
        assert_eq!(
            call["HostConfig"]["Binds"],
            json!([
                "/box:/mnt/mesos/sandbox",
                "/box/logs:/logs:ro",
                "/var/cache:/mnt/mesos/sandbox/cache:ro",
                "disk1:/disk:ro"
            ])
        );
        assert_eq!(call["HostConfig"]["VolumeDriver"], "rexray");
        for (volumes, refusal) in [
            (
                vec![volume("a", Some("b"))],
                "Both host_path 'b' and container_path 'a' of a volume are relative",
            ),
            (
                vec![volume("/a", None)],
                "Host path or volume source is required",
            ),
            (
                vec![by_driver("rexray"), by_driver("other")],
                "Only one volume driver is supported",
            ),
        ] {
            assert_eq!(with(&volumes).unwrap_err(), refusal);
        }
    }

    #[test]
    fn limits_of_docker_containers() {
        for (limits, expected) in [
            (
                Limits {
                    memory: 1,
                    pids: Some(9),
                    ..Limits::default()
                },
                json!({"CpuShares": 2, "Memory": 32 << 20, "PidsLimit": 9}),
            ),
            (
                Limits {
                    cpus_limit: Some(1.5),
                    memory_limit: Some(256 << 20),
                    ..LIMITS
                },
                json!({"CpuShares": 512, "CpuPeriod": 100_000, "CpuQuota": 150_000,
                    "MemoryReservation": 64 << 20, "Memory": 256 << 20}),
            ),
            (
                Limits {
                    cpus_limit: Some(f64::INFINITY),
                    memory_limit: Some(u64::MAX),
                    ..LIMITS
                },
                json!({"CpuShares": 512, "MemoryReservation": 64 << 20}),
            ),
        ] {
            let mut host = Map::new();
            limit(&mut host, &limits);
            assert_eq!(Value::Object(host), expected);
        }
    }
}
