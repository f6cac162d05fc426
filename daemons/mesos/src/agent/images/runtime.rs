//! What runs in an image, with which variables, by the image's own word (mesos:
//! `src/slave/containerizer/mesos/isolators/docker/runtime.cpp`).

use aurora_mesos::v1::CommandInfo;

use super::archive::RunConfig;
use crate::agent::environment::Environment;

/// Program and arguments, argv[0] included. A command without a program is for the image's own.
pub(crate) fn run_line(
    command: &CommandInfo,
    config: Option<&RunConfig>,
) -> Result<(String, Vec<String>), String> {
    let value = command.value.clone().filter(|value| !value.is_empty());
    match (command.shell, value) {
        (true, Some(value)) => Ok((
            "/bin/sh".to_owned(),
            vec!["sh".to_owned(), "-c".to_owned(), value],
        )),
        (false, Some(value)) => Ok((value, command.arguments.clone())),
        (false, None) if config.is_some() => {
            of_the_image(&command.arguments, config.cloned().unwrap_or_default())
        }
        (_, None) => Err("the command has no value: there is nothing to run".to_owned()),
    }
}

fn of_the_image(arguments: &[String], config: RunConfig) -> Result<(String, Vec<String>), String> {
    let mut words = config.entrypoint.unwrap_or_default();
    let cmd = config.cmd.unwrap_or_default();
    if words.is_empty() {
        words.extend(cmd.first().cloned());
        if arguments.is_empty() {
            words.extend(cmd.into_iter().skip(1));
        }
    } else if arguments.is_empty() {
        words.extend(cmd);
    }
    words.extend(arguments.iter().cloned());
    match words.first() {
        Some(program) => Ok((program.clone(), words)),
        None => Err("No executable is found".to_owned()),
    }
}

/// The image's variables, and over them others.
pub(crate) fn environment(
    config: &RunConfig,
    others: impl IntoIterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    let own = config.env.iter().flatten();
    let own = own.filter_map(|variable| variable.split_once('='));
    let mut variables = Environment::default();
    for (name, value) in own {
        variables.set(name, value);
    }
    for (name, value) in others {
        variables.set(&name, &value);
    }
    variables.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of mesos: runtime.cpp, getLaunchCommand.
    #[test]
    fn what_runs_in_an_image() {
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        for (shell, value, arguments, entrypoint, cmd, expected) in [
            (false, "", "", "", "", None),
            (false, "", "", "", "c d", Some("c | c d")),
            (false, "", "", "e f", "", Some("e | e f")),
            (false, "", "", "e f", "c d", Some("e | e f c d")),
            (false, "", "x y", "", "c d", Some("c | c x y")),
            (false, "", "x y", "e f", "c d", Some("e | e f x y")),
            (false, "v", "", "e", "c", Some("v | ")),
            (false, "v", "x", "e", "c", Some("v | x")),
            (true, "", "", "e", "c", None),
            (true, "v", "", "e", "c", Some("/bin/sh | sh -c v")),
        ] {
            let command = CommandInfo {
                shell,
                value: (!value.is_empty()).then(|| value.to_owned()),
                arguments: words(arguments),
                ..CommandInfo::default()
            };
            let config = RunConfig {
                entrypoint: Some(words(entrypoint)),
                cmd: Some(words(cmd)),
                ..RunConfig::default()
            };
            let line = run_line(&command, Some(&config))
                .ok()
                .map(|(program, argv)| format!("{program} | {}", argv.join(" ")));
            assert_eq!(line.as_deref(), expected, "{command:?} in {config:?}");
        }
    }

    #[test]
    fn an_images_variables_come_first() {
        let config = RunConfig {
            env: Some(
                ["PATH=/of/image", "A=x=y", "odd"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            ..RunConfig::default()
        };
        let others = [("PATH", "/own"), ("B", "2")];
        let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = [("PATH", "/own"), ("A", "x=y"), ("B", "2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(environment(&config, others), expected);
    }
}
