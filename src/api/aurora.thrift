// Aurora's API as Thrift IDL, for clients in other languages: the same tables as `src/model` and `src/service.rs`.

namespace java org.apache.aurora.gen
namespace py gen.apache.aurora.api

/** How a call went. */
enum ResponseCode {
  INVALID_REQUEST = 0,
  OK = 1,
  ERROR = 2,
  WARNING = 3,
  AUTH_FAILED = 4,
  JOB_UPDATING_ERROR = 5,
  ERROR_TRANSIENT = 6,
}

/** A host's place in maintenance. */
enum MaintenanceMode {
  NONE = 1,
  SCHEDULED = 2,
  DRAINING = 3,
  DRAINED = 4,
}

/** How a volume is mounted. */
enum Mode {
  RW = 1,
  RO = 2,
}

/** What a cron run does when the previous one is still there. */
enum CronCollisionPolicy {
  KILL_EXISTING = 0,
  CANCEL_NEW = 1,
  RUN_OVERLAP = 2,
}

/** A task's state. */
enum ScheduleStatus {
  PENDING = 0,
  STARTING = 1,
  RUNNING = 2,
  FINISHED = 3,
  FAILED = 4,
  KILLED = 5,
  KILLING = 6,
  LOST = 7,
  ASSIGNED = 9,
  INIT = 11,
  RESTARTING = 12,
  PREEMPTING = 13,
  THROTTLED = 16,
  DRAINING = 17,
  PARTITIONED = 18,
}

/** An update's state. */
enum JobUpdateStatus {
  ROLLING_FORWARD = 0,
  ROLLING_BACK = 1,
  ROLL_FORWARD_PAUSED = 2,
  ROLL_BACK_PAUSED = 3,
  ROLLED_FORWARD = 4,
  ROLLED_BACK = 5,
  ABORTED = 6,
  ERROR = 7,
  FAILED = 8,
  ROLL_FORWARD_AWAITING_PULSE = 9,
  ROLL_BACK_AWAITING_PULSE = 10,
}

/** What an update did to an instance. */
enum JobUpdateAction {
  INSTANCE_UPDATED = 1,
  INSTANCE_ROLLED_BACK = 2,
  INSTANCE_UPDATING = 3,
  INSTANCE_ROLLING_BACK = 4,
  INSTANCE_UPDATE_FAILED = 5,
  INSTANCE_ROLLBACK_FAILED = 6,
}

/** What became of a pulse. */
enum JobUpdatePulseStatus {
  OK = 1,
  FINISHED = 2,
}

/** Names a job inside one cluster: who owns it, where it runs, what it is called. */
struct JobKey {
  1: string role,
  2: string environment,
  3: string name,
}

/** Who submitted a job (deprecated upstream, still echoed). */
struct Identity {
  2: optional string user,
}

/** One instance of a job. */
struct InstanceKey {
  1: JobKey jobKey,
  2: i32 instanceId,
}

/** Instance ids from `first` to `last`, both inclusive. */
struct Range {
  1: i32 first,
  2: i32 last,
}

/** A named attribute of a host; several attributes may share a name. */
struct Attribute {
  1: string name,
  2: set<string> values,
}

/** What the scheduler remembers of an agent's host. */
struct HostAttributes {
  1: string host,
  2: set<Attribute> attributes,
  3: optional MaintenanceMode mode,
  4: optional string slaveId,
}

/** A host and its maintenance mode. */
struct HostStatus {
  1: string host,
  2: optional MaintenanceMode mode,
}

/** A set of host names. */
struct Hosts {
  1: set<string> hostNames,
}

/** At least `percentage` of the instances must have run for `duration_secs`. */
struct PercentageSlaPolicy {
  1: double percentage,
  2: i64 durationSecs,
}

/** At least `count` instances must have run for `duration_secs`. */
struct CountSlaPolicy {
  1: i64 count,
  2: i64 durationSecs,
}

/** A coordinator is asked over HTTP before an instance goes. */
struct CoordinatorSlaPolicy {
  1: string coordinatorUrl,
  2: string statusKey,
}

/** A job's promise that maintenance has to keep. */
union SlaPolicy {
  1: PercentageSlaPolicy percentageSlaPolicy,
  2: CountSlaPolicy countSlaPolicy,
  3: CoordinatorSlaPolicy coordinatorSlaPolicy,
}

/** A drain that was asked for a host, with the SLA to fall back to. */
struct HostMaintenanceRequest {
  1: string host,
  2: optional SlaPolicy defaultSlaPolicy,
  3: i64 timeoutSecs,
  4: i64 createdTimestampMs,
}

/** The host's attribute must be (or, negated, must not be) one of the values. */
struct ValueConstraint {
  1: bool negated,
  2: set<string> values,
}

/** At most `limit` tasks of the job per value of the attribute. */
struct LimitConstraint {
  1: i32 limit,
}

/** What a constraint demands. */
union TaskConstraint {
  1: ValueConstraint value,
  2: LimitConstraint limit,
}

/** A demand on one attribute of the host. */
struct Constraint {
  1: string name,
  2: optional TaskConstraint constraint,
}

/** Unused upstream; kept for old data. */
struct Package {
  1: string role,
  2: string name,
  3: i32 version,
}

/** A key and a value attached to a task or an update. */
struct Metadata {
  1: string key,
  2: string value,
}

/** A file that the Mesos fetcher puts into the sandbox. */
struct MesosFetcherURI {
  1: string value,
  2: optional bool extract,
  3: optional bool cache,
  4: optional string outputFile,
}

/** Which executor runs the task, and what it is told. */
struct ExecutorConfig {
  1: optional string name,
  2: optional string data,
}

/** A host path seen inside the container. */
struct Volume {
  1: string containerPath,
  2: string hostPath,
  3: optional Mode mode,
}

/** A Docker image by name and tag. */
struct DockerImage {
  1: string name,
  2: string tag,
}

/** An AppC image by name and id. */
struct AppcImage {
  1: string name,
  2: string imageId,
}

/** A file system image. */
union Image {
  1: DockerImage docker,
  2: AppcImage appc,
}

/** The Mesos containerizer, with an image or without. */
struct MesosContainer {
  1: optional Image image,
  2: optional list<Volume> volumes,
}

/** A raw option for the Docker command line. */
struct DockerParameter {
  1: string name,
  2: string value,
}

/** A task in a container of the Docker engine. */
struct DockerContainer {
  1: optional string image,
  2: list<DockerParameter> parameters,
}

/** How a task is contained. */
union Container {
  1: MesosContainer mesos,
  2: DockerContainer docker,
}

/** One resource demand or amount: cores, MiB of memory or disk, a named port, GPUs. */
union Resource {
  1: double numCpus,
  2: i64 ramMb,
  3: i64 diskMb,
  4: string namedPort,
  5: i64 numGpus,
}

/** What happens to a task on an unreachable agent. */
struct PartitionPolicy {
  1: bool reschedule,
  2: optional i64 delaySecs,
}

/** Everything that the instances of a job share. Two configurations are equal when all fields are. */
struct TaskConfig {
  7: bool isService,
  11: i32 priority,
  13: i32 maxTaskFailures,
  17: optional Identity owner,
  18: optional bool production,
  20: set<Constraint> constraints,
  22: map<string, string> taskLinks,
  23: optional string contactEmail,
  25: optional ExecutorConfig executorConfig,
  27: set<Metadata> metadata,
  28: JobKey job,
  29: Container container,
  30: optional string tier,
  32: set<Resource> resources,
  33: set<MesosFetcherURI> mesosFetcherUris,
  34: optional PartitionPolicy partitionPolicy,
  35: optional SlaPolicy slaPolicy,
}

/** A sum of resources, as quotas and their consumption use it. */
struct ResourceAggregate {
  4: set<Resource> resources,
}

/** A job as it is submitted. */
struct JobConfiguration {
  4: optional string cronSchedule,
  5: optional CronCollisionPolicy cronCollisionPolicy,
  6: TaskConfig taskConfig,
  7: optional Identity owner,
  8: i32 instanceCount,
  9: JobKey key,
}

/** How many tasks of a job are in which part of their life. */
struct JobStats {
  1: i32 activeTaskCount,
  2: i32 finishedTaskCount,
  3: i32 failedTaskCount,
  4: i32 pendingTaskCount,
}

/** A job with its counts. */
struct JobSummary {
  1: JobConfiguration job,
  2: JobStats stats,
  3: optional i64 nextCronRunMs,
}

/** A configuration and the instances that have it. */
struct ConfigGroup {
  1: TaskConfig config,
  3: set<Range> instances,
}

/** The active configurations of a job. */
struct ConfigSummary {
  1: JobKey key,
  2: set<ConfigGroup> groups,
}

/** One step in a task's life. `timestamp` is milliseconds since 1970. */
struct TaskEvent {
  1: i64 timestamp,
  2: ScheduleStatus status,
  3: optional string message,
  4: optional string scheduler,
}

/** A task and where it was put. Host, agent and ports are unset while it is pending. */
struct AssignedTask {
  1: string taskId,
  2: optional string slaveId,
  3: optional string slaveHost,
  4: TaskConfig task,
  5: map<string, i32> assignedPorts,
  6: i32 instanceId,
}

/** A task as the scheduler knows it. */
struct ScheduledTask {
  1: AssignedTask assignedTask,
  2: ScheduleStatus status,
  3: i32 failureCount,
  4: list<TaskEvent> taskEvents,
  5: optional string ancestorId,
  6: i32 timesPartitioned,
}

/** Selects tasks: terms are ANDed, an absent or empty term selects all. */
struct TaskQuery {
  2: optional string jobName,
  4: optional set<string> taskIds,
  5: optional set<ScheduleStatus> statuses,
  7: optional set<i32> instanceIds,
  9: optional string environment,
  10: optional set<string> slaveHosts,
  11: optional set<JobKey> jobKeys,
  12: optional i32 offset,
  13: optional i32 limit,
  14: optional string role,
}

/** A role with the number of its jobs. */
struct RoleSummary {
  1: string role,
  2: i32 jobCount,
  3: i32 cronJobCount,
}

/** Why a task waits. */
struct PendingReason {
  1: string taskId,
  2: string reason,
}

/** Names one update of a job; the id is a UUID in text. */
struct JobUpdateKey {
  1: JobKey job,
  2: string id,
}

/** Keep up to `group_size` instances in motion. */
struct QueueJobUpdateStrategy {
  1: i32 groupSize,
}

/** Finish a batch before the next begins. */
struct BatchJobUpdateStrategy {
  1: i32 groupSize,
  2: bool autopauseAfterBatch,
}

/** Batches of given sizes; the last size repeats. */
struct VariableBatchJobUpdateStrategy {
  1: list<i32> groupSizes,
  2: bool autopauseAfterBatch,
}

/** How instances are grouped in an update. */
union JobUpdateStrategy {
  1: QueueJobUpdateStrategy queueStrategy,
  2: BatchJobUpdateStrategy batchStrategy,
  3: VariableBatchJobUpdateStrategy varBatchStrategy,
}

/** The limits that an update keeps. */
struct JobUpdateSettings {
  1: i32 updateGroupSize,
  2: i32 maxPerInstanceFailures,
  3: i32 maxFailedInstances,
  5: i32 minWaitInInstanceRunningMs,
  6: bool rollbackOnFailure,
  7: set<Range> updateOnlyTheseInstances,
  8: bool waitForBatchCompletion,
  9: optional i32 blockIfNoPulsesAfterMs,
  10: optional bool slaAware,
  11: optional JobUpdateStrategy updateStrategy,
}

/** A change of an update's status. */
struct JobUpdateEvent {
  1: JobUpdateStatus status,
  2: i64 timestampMs,
  3: optional string user,
  4: optional string message,
}

/** What an update did to one instance. */
struct JobInstanceUpdateEvent {
  1: i32 instanceId,
  2: i64 timestampMs,
  3: JobUpdateAction action,
  4: optional string message,
}

/** A configuration and the instances it is for. */
struct InstanceTaskConfig {
  1: TaskConfig task,
  2: set<Range> instances,
}

/** Where an update stands. */
struct JobUpdateState {
  1: JobUpdateStatus status,
  2: i64 createdTimestampMs,
  3: i64 lastModifiedTimestampMs,
}

/** An update in brief. */
struct JobUpdateSummary {
  3: optional string user,
  4: optional JobUpdateState state,
  5: JobUpdateKey key,
  6: set<Metadata> metadata,
}

/** From what to what an update goes, and how. */
struct JobUpdateInstructions {
  1: set<InstanceTaskConfig> initialState,
  2: optional InstanceTaskConfig desiredState,
  3: JobUpdateSettings settings,
}

/** An update and its instructions. */
struct JobUpdate {
  1: JobUpdateSummary summary,
  2: JobUpdateInstructions instructions,
}

/** An update with all that happened in it. */
struct JobUpdateDetails {
  1: JobUpdate update,
  2: list<JobUpdateEvent> updateEvents,
  3: list<JobInstanceUpdateEvent> instanceEvents,
}

/** An update as it is asked for. */
struct JobUpdateRequest {
  1: TaskConfig taskConfig,
  2: i32 instanceCount,
  3: JobUpdateSettings settings,
  4: set<Metadata> metadata,
}

/** Selects updates: terms are ANDed. */
struct JobUpdateQuery {
  2: optional string role,
  3: optional JobKey jobKey,
  4: optional string user,
  5: optional set<JobUpdateStatus> updateStatuses,
  6: optional i32 offset,
  7: optional i32 limit,
  8: optional JobUpdateKey key,
}

/** What a lock is for (deprecated, inert). */
union LockKey {
  1: JobKey job,
}

/** A lock (deprecated, inert). */
struct Lock {
  1: optional LockKey key,
  2: string token,
  3: string user,
  4: i64 timestampMs,
  5: optional string message,
}

/** The configuration as the scheduler would store it. */
struct PopulateJobResult {
  2: TaskConfig taskConfig,
}

/** A role's quota and what is used of it, by pool. */
struct GetQuotaResult {
  1: ResourceAggregate quota,
  2: optional ResourceAggregate prodSharedConsumption,
  3: optional ResourceAggregate nonProdSharedConsumption,
  4: optional ResourceAggregate prodDedicatedConsumption,
  5: optional ResourceAggregate nonProdDedicatedConsumption,
}

/** Tasks. */
struct ScheduleStatusResult {
  1: list<ScheduledTask> tasks,
}

/** Jobs. */
struct GetJobsResult {
  1: set<JobConfiguration> configs,
}

/** Names of backups. */
struct ListBackupsResult {
  1: set<string> backups,
}

/** Hosts and their modes after the call. */
struct StartMaintenanceResult {
  1: set<HostStatus> statuses,
}

/** Hosts and their modes after the call. */
struct DrainHostsResult {
  1: set<HostStatus> statuses,
}

/** Hosts and their modes. */
struct MaintenanceStatusResult {
  1: set<HostStatus> statuses,
}

/** Hosts and their modes after the call. */
struct EndMaintenanceResult {
  1: set<HostStatus> statuses,
}

/** Tasks in the staged recovery. */
struct QueryRecoveryResult {
  1: set<ScheduledTask> tasks,
}

/** Roles. */
struct RoleSummaryResult {
  1: set<RoleSummary> summaries,
}

/** Jobs with counts. */
struct JobSummaryResult {
  1: set<JobSummary> summaries,
}

/** A job's active configurations. */
struct ConfigSummaryResult {
  1: ConfigSummary summary,
}

/** Why tasks wait. */
struct GetPendingReasonResult {
  1: set<PendingReason> reasons,
}

/** The update that was started, or the one in the way. */
struct StartJobUpdateResult {
  1: JobUpdateKey key,
  2: optional JobUpdateSummary updateSummary,
}

/** Updates, newest change first. */
struct GetJobUpdateSummariesResult {
  1: list<JobUpdateSummary> updateSummaries,
}

/** Updates with their events. */
struct GetJobUpdateDetailsResult {
  1: optional JobUpdateDetails details,
  2: list<JobUpdateDetails> detailsList,
}

/** What became of a pulse. */
struct PulseJobUpdateResult {
  1: JobUpdatePulseStatus status,
}

/** What an update would change. */
struct GetJobUpdateDiffResult {
  1: set<ConfigGroup> add,
  2: set<ConfigGroup> remove,
  3: set<ConfigGroup> update,
  4: set<ConfigGroup> unchanged,
}

/** A tier; settings `preemptible` and `revocable` are the texts `true` or `false`. */
struct TierConfig {
  1: string name,
  2: map<string, string> settings,
}

/** The tiers that this scheduler knows. */
struct GetTierConfigResult {
  1: string defaultTierName,
  2: set<TierConfig> tiers,
}

/** Which cluster answered. */
struct ServerInfo {
  1: string clusterName,
  3: string statsUrlPrefix,
}

/** One message of an answer. */
struct ResponseDetail {
  1: optional string message,
}

/** What a call gives back. */
union Result {
  1: PopulateJobResult populateJobResult,
  3: ScheduleStatusResult scheduleStatusResult,
  4: GetJobsResult getJobsResult,
  5: GetQuotaResult getQuotaResult,
  6: ListBackupsResult listBackupsResult,
  7: StartMaintenanceResult startMaintenanceResult,
  8: DrainHostsResult drainHostsResult,
  9: QueryRecoveryResult queryRecoveryResult,
  10: MaintenanceStatusResult maintenanceStatusResult,
  11: EndMaintenanceResult endMaintenanceResult,
  17: RoleSummaryResult roleSummaryResult,
  18: JobSummaryResult jobSummaryResult,
  20: ConfigSummaryResult configSummaryResult,
  21: GetPendingReasonResult getPendingReasonResult,
  22: StartJobUpdateResult startJobUpdateResult,
  23: GetJobUpdateSummariesResult getJobUpdateSummariesResult,
  24: GetJobUpdateDetailsResult getJobUpdateDetailsResult,
  25: PulseJobUpdateResult pulseJobUpdateResult,
  26: GetJobUpdateDiffResult getJobUpdateDiffResult,
  27: GetTierConfigResult getTierConfigResult,
}

/** The answer to every call; failures travel in it. */
struct Response {
  1: ResponseCode responseCode,
  3: optional Result result,
  5: optional ServerInfo serverInfo,
  6: list<ResponseDetail> details,
}

/** How an explicit reconciliation is batched. */
struct ExplicitReconciliationSettings {
  1: optional i32 batchSize,
}

service ReadOnlyScheduler {
  /** Roles that own jobs. */
  Response getRoleSummary()
  /** Jobs of a role, or of all roles when the role is unset. */
  Response getJobSummary(1: string role)
  /** Tasks with their configurations. */
  Response getTasksStatus(1: TaskQuery query)
  /** Tasks with the executor's data left out. */
  Response getTasksWithoutConfigs(1: TaskQuery query)
  /** Why pending tasks wait. */
  Response getPendingReason(1: TaskQuery query)
  /** The active configurations of a job. */
  Response getConfigSummary(1: JobKey job)
  /** Jobs of a role, or of all roles when the role is unset. */
  Response getJobs(1: string ownerRole)
  /** A role's quota and consumption. */
  Response getQuota(1: string ownerRole)
  /** Validates a job and fills its defaults. */
  Response populateJobConfig(1: JobConfiguration description)
  /** Updates in brief. */
  Response getJobUpdateSummaries(1: JobUpdateQuery jobUpdateQuery)
  /** Updates with all their events. */
  Response getJobUpdateDetails(1: JobUpdateKey key, 2: JobUpdateQuery query)
  /** What an update would change. */
  Response getJobUpdateDiff(1: JobUpdateRequest request)
  /** The tiers that this scheduler knows. */
  Response getTierConfigs()
}

service AuroraSchedulerManager extends ReadOnlyScheduler {
  /** Creates a job. */
  Response createJob(1: JobConfiguration description)
  /** Creates or replaces a cron job. */
  Response scheduleCronJob(1: JobConfiguration description)
  /** Removes a cron job's schedule. */
  Response descheduleCronJob(4: JobKey job)
  /** Starts a cron job now. */
  Response startCronJob(4: JobKey job)
  /** Restarts instances. */
  Response restartShards(5: JobKey job, 3: set<i32> shardIds)
  /** Kills instances, or all when none are named. */
  Response killTasks(4: JobKey job, 5: set<i32> instances, 6: string message)
  /** Adds instances like a given one. */
  Response addInstances(3: InstanceKey key, 4: i32 count)
  /** Replaces an existing cron job's template. */
  Response replaceCronTemplate(1: JobConfiguration config)
  /** Starts an update. */
  Response startJobUpdate(1: JobUpdateRequest request, 3: string message)
  /** Pauses an update. */
  Response pauseJobUpdate(1: JobUpdateKey key, 3: string message)
  /** Resumes an update. */
  Response resumeJobUpdate(1: JobUpdateKey key, 3: string message)
  /** Stops an update where it is. */
  Response abortJobUpdate(1: JobUpdateKey key, 3: string message)
  /** Turns an update around. */
  Response rollbackJobUpdate(1: JobUpdateKey key, 2: string message)
  /** Lets a coordinated update go on. */
  Response pulseJobUpdate(1: JobUpdateKey key)
}

service AuroraAdmin extends AuroraSchedulerManager {
  /** Sets a role's quota. */
  Response setQuota(1: string ownerRole, 2: ResourceAggregate quota)
  /** Forces a task into a state. */
  Response forceTaskState(1: string taskId, 2: ScheduleStatus status)
  /** Writes a backup now. */
  Response performBackup()
  /** Names the backups. */
  Response listBackups()
  /** Loads a backup for recovery. */
  Response stageRecovery(1: string backupId)
  /** Tasks in the staged recovery. */
  Response queryRecovery(1: TaskQuery query)
  /** Removes tasks from the staged recovery. */
  Response deleteRecoveryTasks(1: TaskQuery query)
  /** Makes the staged recovery the state. */
  Response commitRecovery()
  /** Drops the staged recovery. */
  Response unloadRecovery()
  /** Schedules hosts for maintenance. */
  Response startMaintenance(1: Hosts hosts)
  /** Drains hosts. */
  Response drainHosts(1: Hosts hosts)
  /** Modes of hosts. */
  Response maintenanceStatus(1: Hosts hosts)
  /** Ends maintenance of hosts. */
  Response endMaintenance(1: Hosts hosts)
  /** Drains hosts as the jobs' SLA policies allow. */
  Response slaDrainHosts(1: Hosts hosts, 2: SlaPolicy defaultSlaPolicy, 3: i64 timeoutSecs)
  /** Writes a snapshot of the state now. */
  Response snapshot()
  /** Asks Mesos about known tasks. */
  Response triggerExplicitTaskReconciliation(1: ExplicitReconciliationSettings settings)
  /** Asks Mesos about all its tasks. */
  Response triggerImplicitTaskReconciliation()
  /** Removes terminal tasks. */
  Response pruneTasks(1: TaskQuery query)
}
