//! The agent's operator API: looks at its state and at sandboxes.

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::{self, Format};
use aurora_mesos::v1::{Flag, Image, Metric, agent};
use http::StatusCode;
use serde_json::json;

use super::core::Agent;
use super::file_routes::file_error;
use super::files::MAX_READ;
use super::http::{Routes, accepted_format, bad_request, read_call, version};
use super::shell::Ending;

impl Routes {
    pub(super) async fn operator_call(&self, request: &Request) -> Result<Response, Ending> {
        let call: agent::Call = match read_call(request) {
            Ok(call) => call,
            Err(refusal) => return Ok(refusal),
        };
        let Some(kind) = call.kind else {
            return Ok(bad_request(
                "Failed to validate agent::Call: Expecting 'type' to be present",
            ));
        };
        let format = match accepted_format(&request.headers) {
            Ok(format) => format,
            Err(refusal) => return Ok(refusal),
        };
        let looks = matches!(
            kind,
            agent::CallType::GetHealth
                | agent::CallType::GetFlags
                | agent::CallType::GetVersion
                | agent::CallType::GetMetrics
                | agent::CallType::GetLoggingLevel
                | agent::CallType::GetState
                | agent::CallType::GetContainers
                | agent::CallType::GetFrameworks
                | agent::CallType::GetExecutors
                | agent::CallType::GetOperations
                | agent::CallType::GetTasks
                | agent::CallType::GetAgent
                | agent::CallType::GetResourceProviders
        );
        if !looks && let Err(refusal) = self.guard.check_secret(&request.headers) {
            return Ok(refusal);
        }
        self.operator_answer(kind, call, format).await
    }

    async fn operator_answer(
        &self,
        kind: agent::CallType,
        call: agent::Call,
        format: Format,
    ) -> Result<Response, Ending> {
        let absent = |field: &str| {
            bad_request(format!(
                "Failed to validate agent::Call: Expecting '{field}' to be present"
            ))
        };
        let mut response = agent::Response::default();
        match kind {
            agent::CallType::GetHealth => {
                response.get_health = Some(agent::GetHealth { healthy: true })
            }
            agent::CallType::GetVersion => {
                response.get_version = Some(agent::GetVersion {
                    version_info: version(),
                })
            }
            agent::CallType::GetFlags => {
                let flag = |(name, value): &(String, String)| Flag {
                    name: name.clone(),
                    value: Some(value.clone()),
                };
                response.get_flags = Some(agent::GetFlags {
                    flags: self.flags.iter().map(flag).collect(),
                });
            }
            agent::CallType::GetLoggingLevel => {
                let level = self.logging.level();
                response.get_logging_level = Some(agent::GetLoggingLevel { level });
            }
            agent::CallType::SetLoggingLevel => {
                let Some(set) = call.set_logging_level else {
                    return Ok(absent("set_logging_level"));
                };
                self.logging.set(set.level, set.duration.to_std());
                return Ok(reply::empty(StatusCode::OK));
            }
            agent::CallType::GetMetrics => {
                if call.get_metrics.is_none() {
                    return Ok(absent("get_metrics"));
                }
                let metrics = self.metrics().await?;
                let metric = |(name, value): (String, f64)| Metric {
                    name,
                    value: Some(value),
                };
                response.get_metrics = Some(agent::GetMetrics {
                    metrics: metrics.into_iter().map(metric).collect(),
                });
            }
            agent::CallType::GetState => {
                response.get_state = Some(
                    self.shell
                        .query(|agent| agent::GetState {
                            get_tasks: Some(agent.get_tasks()),
                            get_executors: Some(agent.get_executors()),
                            get_frameworks: Some(agent.get_frameworks()),
                        })
                        .await?,
                );
            }
            agent::CallType::GetTasks => {
                response.get_tasks = Some(self.shell.query(Agent::get_tasks).await?);
            }
            agent::CallType::GetExecutors => {
                response.get_executors = Some(self.shell.query(Agent::get_executors).await?);
            }
            agent::CallType::GetFrameworks => {
                response.get_frameworks = Some(self.shell.query(Agent::get_frameworks).await?);
            }
            agent::CallType::GetOperations => {
                response.get_operations = Some(agent::GetOperations::default())
            }
            agent::CallType::GetResourceProviders if format == Format::Json => {
                return Ok(reply::json(
                    StatusCode::OK,
                    &json!({"type": "GET_RESOURCE_PROVIDERS", "get_resource_providers": {}}),
                ));
            }
            agent::CallType::GetAgent => {
                response.get_agent = Some(
                    self.shell
                        .query(|agent| agent::GetAgent {
                            agent_info: Some(agent.settings().info.clone()),
                            drain_config: agent.drain_config().cloned(),
                            estimated_drain_start_time: None,
                        })
                        .await?,
                );
            }
            agent::CallType::GetContainers => {
                let containers = self.with_statistics().await?;
                if !containers.is_empty() {
                    let shown = containers
                        .into_iter()
                        .map(|(view, statistics)| agent::Container {
                            framework_id: Some(view.run.framework.clone()),
                            executor_id: Some(view.run.executor.clone()),
                            executor_name: Some(view.executor_name),
                            container_id: view.run.container.into(),
                            container_status: Some(view.status),
                            resource_statistics: Some(statistics),
                        });
                    response.get_containers = Some(agent::GetContainers {
                        containers: shown.collect(),
                    });
                }
            }
            agent::CallType::ListFiles => {
                let Some(list) = call.list_files else {
                    return Ok(absent("list_files"));
                };
                match self
                    .on_files(move |files, agent| files.list(agent, &list.path))
                    .await?
                {
                    Ok(file_infos) => response.list_files = Some(agent::ListFiles { file_infos }),
                    Err(error) => return Ok(file_error(&error)),
                }
            }
            agent::CallType::ReadFile => {
                let Some(read) = call.read_file else {
                    return Ok(absent("read_file"));
                };
                let length = read
                    .length
                    .and_then(|length| usize::try_from(length).ok())
                    .unwrap_or(MAX_READ);
                match self
                    .on_files(move |files, agent| {
                        files.read(agent, &read.path, read.offset, length)
                    })
                    .await?
                {
                    Ok((size, data)) => {
                        response.read_file = Some(agent::ReadFile {
                            size,
                            data: data.into(),
                        })
                    }
                    Err(error) => return Ok(file_error(&error)),
                }
            }
            agent::CallType::PruneImages => {
                let excluded = call.prune_images.unwrap_or_default().excluded_images;
                return Ok(self.prune_images(excluded).await);
            }
            // Without resource providers the answer has no content, which protobuf writes as nothing.
            agent::CallType::GetResourceProviders => {}
            _ => {
                return Ok(reply::text(
                    StatusCode::NOT_IMPLEMENTED,
                    "501 Not Implemented.",
                ));
            }
        }
        response.kind = message::Enumeration::from_name(message::Enumeration::name(kind));
        Ok(reply::bytes(
            StatusCode::OK,
            format.media_type(),
            format.encode(&response),
        ))
    }

    /// Like Mesos, answers without a body.
    async fn prune_images(&self, excluded: Vec<Image>) -> Response {
        let Some(images) = self.containerizer.images().cloned() else {
            return reply::text(StatusCode::OK, "");
        };
        let pruned = tokio::task::spawn_blocking(move || images.prune(&excluded)).await;
        match pruned.map_err(std::io::Error::other).flatten() {
            Ok(count) => {
                tracing::info!(count, "removed images that nobody uses");
                reply::text(StatusCode::OK, "")
            }
            Err(error) => reply::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("Failed to prune images: {error}"),
            ),
        }
    }
}
