//! Calls and events of the scheduler API (`mesos.v1.scheduler`).

use super::{
    AgentId, ExecutorId, Filters, FrameworkId, FrameworkInfo, InverseOffer, KillPolicy, MasterInfo,
    Offer, OfferId, OfferOperation, OperationId, OperationStatus, ResourceProviderId, TaskId,
    TaskStatus,
};
use crate::message::{enumeration, message};
use bytes::Bytes;

message! {
    /// An event from the master to a scheduler.
    Event = "mesos.v1.scheduler.Event" {
        1 kind "type": optional EventType,
        2 subscribed: optional Subscribed,
        3 offers: optional Offers,
        9 inverse_offers: optional InverseOffers,
        4 rescind: optional Rescind,
        10 rescind_inverse_offer: optional RescindInverseOffer,
        5 update: optional Update,
        11 update_operation_status: optional UpdateOperationStatus,
        6 message: optional EventMessage,
        7 failure: optional Failure,
        8 error: optional Error,
    }
}

enumeration! {
    /// `mesos.v1.scheduler.Event.Type`.
    EventType {
        Unknown "UNKNOWN" = 0,
        Subscribed "SUBSCRIBED" = 1,
        Offers "OFFERS" = 2,
        InverseOffers "INVERSE_OFFERS" = 9,
        Rescind "RESCIND" = 3,
        RescindInverseOffer "RESCIND_INVERSE_OFFER" = 10,
        Update "UPDATE" = 4,
        UpdateOperationStatus "UPDATE_OPERATION_STATUS" = 11,
        Message "MESSAGE" = 5,
        Failure "FAILURE" = 6,
        Error "ERROR" = 7,
        Heartbeat "HEARTBEAT" = 8,
    }
}

message! {
    /// The subscription stands.
    Subscribed = "mesos.v1.scheduler.Event.Subscribed" {
        1 framework_id: required FrameworkId,
        2 heartbeat_interval_seconds: optional f64,
        3 master_info: optional MasterInfo,
    }
}

message! {
    /// New offers.
    Offers = "mesos.v1.scheduler.Event.Offers" {
        1 offers: repeated Offer,
    }
}

message! {
    /// `mesos.v1.scheduler.Event.InverseOffers`.
    InverseOffers = "mesos.v1.scheduler.Event.InverseOffers" {
        1 inverse_offers: repeated InverseOffer,
    }
}

message! {
    /// An offer is no longer valid.
    Rescind = "mesos.v1.scheduler.Event.Rescind" {
        1 offer_id: required OfferId,
    }
}

message! {
    /// `mesos.v1.scheduler.Event.RescindInverseOffer`.
    RescindInverseOffer = "mesos.v1.scheduler.Event.RescindInverseOffer" {
        1 inverse_offer_id: required OfferId,
    }
}

message! {
    /// A task has a new status.
    Update = "mesos.v1.scheduler.Event.Update" {
        1 status: required TaskStatus,
    }
}

message! {
    /// `mesos.v1.scheduler.Event.UpdateOperationStatus`.
    UpdateOperationStatus = "mesos.v1.scheduler.Event.UpdateOperationStatus" {
        1 status: required OperationStatus,
    }
}

message! {
    /// Bytes from an executor.
    EventMessage = "mesos.v1.scheduler.Event.Message" {
        1 agent_id: required AgentId,
        2 executor_id: required ExecutorId,
        3 data: required Bytes,
    }
}

message! {
    /// An agent was lost, or an executor ended.
    Failure = "mesos.v1.scheduler.Event.Failure" {
        1 agent_id: optional AgentId,
        2 executor_id: optional ExecutorId,
        3 status: optional i32,
    }
}

message! {
    /// The subscription is over.
    Error = "mesos.v1.scheduler.Event.Error" {
        1 message: required String,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint`.
    AttributeConstraint = "mesos.v1.scheduler.AttributeConstraint" {
        1 selector: required Selector,
        2 predicate: required Predicate,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Selector`.
    Selector = "mesos.v1.scheduler.AttributeConstraint.Selector" {
        1 pseudoattribute_type: optional PseudoattributeType,
        2 attribute_name: optional String,
    }
}

enumeration! {
    /// `mesos.v1.scheduler.AttributeConstraint.Selector.PseudoattributeType`.
    PseudoattributeType {
        Unknown "UNKNOWN" = 0,
        Hostname "HOSTNAME" = 1,
        Region "REGION" = 2,
        Zone "ZONE" = 3,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate`.
    Predicate = "mesos.v1.scheduler.AttributeConstraint.Predicate" {
        1 exists: optional Exists,
        2 not_exists: optional NotExists,
        3 text_equals: optional TextEquals,
        4 text_not_equals: optional TextNotEquals,
        5 text_matches: optional TextMatches,
        6 text_not_matches: optional TextNotMatches,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate.Exists`.
    Exists = "mesos.v1.scheduler.AttributeConstraint.Predicate.Exists" {
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate.NotExists`.
    NotExists = "mesos.v1.scheduler.AttributeConstraint.Predicate.NotExists" {
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate.TextEquals`.
    TextEquals = "mesos.v1.scheduler.AttributeConstraint.Predicate.TextEquals" {
        1 value: required String,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate.TextNotEquals`.
    TextNotEquals = "mesos.v1.scheduler.AttributeConstraint.Predicate.TextNotEquals" {
        1 value: required String,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate.TextMatches`.
    TextMatches = "mesos.v1.scheduler.AttributeConstraint.Predicate.TextMatches" {
        1 regex: required String,
    }
}

message! {
    /// `mesos.v1.scheduler.AttributeConstraint.Predicate.TextNotMatches`.
    TextNotMatches = "mesos.v1.scheduler.AttributeConstraint.Predicate.TextNotMatches" {
        1 regex: required String,
    }
}

message! {
    /// Conditions on agent attributes, per role.
    OfferConstraints = "mesos.v1.scheduler.OfferConstraints" {
        1 role_constraints: map RoleConstraints,
    }
}

message! {
    /// `mesos.v1.scheduler.OfferConstraints.RoleConstraints`.
    RoleConstraints = "mesos.v1.scheduler.OfferConstraints.RoleConstraints" {
        1 groups: repeated ConstraintGroup,
    }
}

message! {
    /// `mesos.v1.scheduler.OfferConstraints.RoleConstraints.Group`.
    ConstraintGroup = "mesos.v1.scheduler.OfferConstraints.RoleConstraints.Group" {
        1 attribute_constraints: repeated AttributeConstraint,
    }
}

message! {
    /// A call of a scheduler to the master.
    Call = "mesos.v1.scheduler.Call" {
        1 framework_id: optional FrameworkId,
        2 kind "type": optional CallType,
        3 subscribe: optional Subscribe,
        4 accept: optional Accept,
        5 decline: optional Decline,
        13 accept_inverse_offers: optional AcceptInverseOffers,
        14 decline_inverse_offers: optional DeclineInverseOffers,
        15 revive: optional Revive,
        6 kill: optional Kill,
        7 shutdown: optional Shutdown,
        8 acknowledge: optional Acknowledge,
        17 acknowledge_operation_status: optional AcknowledgeOperationStatus,
        9 reconcile: optional Reconcile,
        18 reconcile_operations: optional ReconcileOperations,
        10 message: optional CallMessage,
        11 request: optional Request,
        16 suppress: optional Suppress,
        19 update_framework: optional UpdateFramework,
    }
}

enumeration! {
    /// `mesos.v1.scheduler.Call.Type`.
    CallType {
        Unknown "UNKNOWN" = 0,
        Subscribe "SUBSCRIBE" = 1,
        Teardown "TEARDOWN" = 2,
        Accept "ACCEPT" = 3,
        Decline "DECLINE" = 4,
        AcceptInverseOffers "ACCEPT_INVERSE_OFFERS" = 13,
        DeclineInverseOffers "DECLINE_INVERSE_OFFERS" = 14,
        Revive "REVIVE" = 5,
        Kill "KILL" = 6,
        Shutdown "SHUTDOWN" = 7,
        Acknowledge "ACKNOWLEDGE" = 8,
        AcknowledgeOperationStatus "ACKNOWLEDGE_OPERATION_STATUS" = 15,
        Reconcile "RECONCILE" = 9,
        ReconcileOperations "RECONCILE_OPERATIONS" = 16,
        Message "MESSAGE" = 10,
        Request "REQUEST" = 11,
        Suppress "SUPPRESS" = 12,
        UpdateFramework "UPDATE_FRAMEWORK" = 17,
    }
}

message! {
    /// Opens the event stream.
    Subscribe = "mesos.v1.scheduler.Call.Subscribe" {
        1 framework_info: required FrameworkInfo,
        2 suppressed_roles: repeated String,
        3 offer_constraints: optional OfferConstraints,
    }
}

message! {
    /// Uses offers of one agent.
    Accept = "mesos.v1.scheduler.Call.Accept" {
        1 offer_ids: repeated OfferId,
        2 operations: repeated OfferOperation,
        3 filters: optional Filters,
    }
}

message! {
    /// Gives offers back.
    Decline = "mesos.v1.scheduler.Call.Decline" {
        1 offer_ids: repeated OfferId,
        2 filters: optional Filters,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.AcceptInverseOffers`.
    AcceptInverseOffers = "mesos.v1.scheduler.Call.AcceptInverseOffers" {
        1 inverse_offer_ids: repeated OfferId,
        2 filters: optional Filters,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.DeclineInverseOffers`.
    DeclineInverseOffers = "mesos.v1.scheduler.Call.DeclineInverseOffers" {
        1 inverse_offer_ids: repeated OfferId,
        2 filters: optional Filters,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.Revive`.
    Revive = "mesos.v1.scheduler.Call.Revive" {
        1 roles: repeated String,
    }
}

message! {
    /// Kills a task.
    Kill = "mesos.v1.scheduler.Call.Kill" {
        1 task_id: required TaskId,
        2 agent_id: optional AgentId,
        3 kill_policy: optional KillPolicy,
    }
}

message! {
    /// Shuts an executor down.
    Shutdown = "mesos.v1.scheduler.Call.Shutdown" {
        1 executor_id: required ExecutorId,
        2 agent_id: required AgentId,
    }
}

message! {
    /// Acknowledges a status update that carried a uuid.
    Acknowledge = "mesos.v1.scheduler.Call.Acknowledge" {
        1 agent_id: required AgentId,
        2 task_id: required TaskId,
        3 uuid: required Bytes,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.AcknowledgeOperationStatus`.
    AcknowledgeOperationStatus = "mesos.v1.scheduler.Call.AcknowledgeOperationStatus" {
        1 agent_id: optional AgentId,
        2 resource_provider_id: optional ResourceProviderId,
        3 uuid: required Bytes,
        4 operation_id: required OperationId,
    }
}

message! {
    /// Asks for the state of some, or of all tasks.
    Reconcile = "mesos.v1.scheduler.Call.Reconcile" {
        1 tasks: repeated ReconcileTask,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.Reconcile.Task`.
    ReconcileTask = "mesos.v1.scheduler.Call.Reconcile.Task" {
        1 task_id: required TaskId,
        2 agent_id: optional AgentId,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.ReconcileOperations`.
    ReconcileOperations = "mesos.v1.scheduler.Call.ReconcileOperations" {
        1 operations: repeated ReconcileOperationsOperation,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.ReconcileOperations.Operation`.
    ReconcileOperationsOperation = "mesos.v1.scheduler.Call.ReconcileOperations.Operation" {
        1 operation_id: required OperationId,
        2 agent_id: optional AgentId,
        3 resource_provider_id: optional ResourceProviderId,
    }
}

message! {
    /// Bytes for an executor, without guarantees.
    CallMessage = "mesos.v1.scheduler.Call.Message" {
        1 agent_id: required AgentId,
        2 executor_id: required ExecutorId,
        3 data: required Bytes,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.Request`.
    Request = "mesos.v1.scheduler.Call.Request" {
        1 requests: repeated Request,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.Suppress`.
    Suppress = "mesos.v1.scheduler.Call.Suppress" {
        1 roles: repeated String,
    }
}

message! {
    /// `mesos.v1.scheduler.Call.UpdateFramework`.
    UpdateFramework = "mesos.v1.scheduler.Call.UpdateFramework" {
        1 framework_info: required FrameworkInfo,
        2 suppressed_roles: repeated String,
        3 offer_constraints: optional OfferConstraints,
    }
}
