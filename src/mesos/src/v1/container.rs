//! Containers: images, volumes, networks and limits.

use super::{ContainerId, Credential, Labels, Parameter, Parameters, Secret};
use crate::message::{enumeration, message};

message! {
    /// A container image.
    Image = "mesos.v1.Image" {
        1 kind "type": required ImageType,
        2 appc: optional ImageAppc,
        3 docker: optional ImageDocker,
        4 cached: default bool = true,
    }
}

enumeration! {
    /// `mesos.v1.Image.Type`.
    ImageType {
        Appc "APPC" = 1,
        Docker "DOCKER" = 2,
    }
}

message! {
    /// `mesos.v1.Image.Appc`.
    ImageAppc = "mesos.v1.Image.Appc" {
        1 name: required String,
        2 id: optional String,
        3 labels: optional Labels,
    }
}

message! {
    /// `mesos.v1.Image.Docker`.
    ImageDocker = "mesos.v1.Image.Docker" {
        1 name: required String,
        2 credential: optional Credential,
        3 config: optional Secret,
    }
}

message! {
    /// `mesos.v1.MountPropagation`.
    MountPropagation = "mesos.v1.MountPropagation" {
        1 mode: optional MountPropagationMode,
    }
}

enumeration! {
    /// `mesos.v1.MountPropagation.Mode`.
    MountPropagationMode {
        Unknown "UNKNOWN" = 0,
        HostToContainer "HOST_TO_CONTAINER" = 1,
        Bidirectional "BIDIRECTIONAL" = 2,
    }
}

message! {
    /// A file system mounted into a container.
    Volume = "mesos.v1.Volume" {
        3 mode: required VolumeMode,
        1 container_path: required String,
        2 host_path: optional String,
        4 image: optional Image,
        5 source: optional VolumeSource,
    }
}

enumeration! {
    /// `mesos.v1.Volume.Mode`.
    VolumeMode {
        Rw "RW" = 1,
        Ro "RO" = 2,
    }
}

message! {
    /// `mesos.v1.Volume.Source`.
    VolumeSource = "mesos.v1.Volume.Source" {
        1 kind "type": optional VolumeSourceType,
        2 docker_volume: optional VolumeSourceDockerVolume,
        5 host_path: optional VolumeSourceHostPath,
        3 sandbox_path: optional VolumeSourceSandboxPath,
        4 secret: optional Secret,
    }
}

enumeration! {
    /// `mesos.v1.Volume.Source.Type`.
    VolumeSourceType {
        Unknown "UNKNOWN" = 0,
        DockerVolume "DOCKER_VOLUME" = 1,
        HostPath "HOST_PATH" = 4,
        SandboxPath "SANDBOX_PATH" = 2,
        Secret "SECRET" = 3,
        CsiVolume "CSI_VOLUME" = 5,
    }
}

message! {
    /// `mesos.v1.Volume.Source.DockerVolume`.
    VolumeSourceDockerVolume = "mesos.v1.Volume.Source.DockerVolume" {
        1 driver: optional String,
        2 name: required String,
        3 driver_options: optional Parameters,
    }
}

message! {
    /// `mesos.v1.Volume.Source.HostPath`.
    VolumeSourceHostPath = "mesos.v1.Volume.Source.HostPath" {
        1 path: required String,
        2 mount_propagation: optional MountPropagation,
    }
}

message! {
    /// `mesos.v1.Volume.Source.SandboxPath`.
    VolumeSourceSandboxPath = "mesos.v1.Volume.Source.SandboxPath" {
        1 kind "type": optional VolumeSourceSandboxPathType,
        2 path: required String,
    }
}

enumeration! {
    /// `mesos.v1.Volume.Source.SandboxPath.Type`.
    VolumeSourceSandboxPathType {
        Unknown "UNKNOWN" = 0,
        Own "SELF" = 1,
        Parent "PARENT" = 2,
    }
}

message! {
    /// A network that a container joins, and its addresses there.
    NetworkInfo = "mesos.v1.NetworkInfo" {
        5 ip_addresses: repeated IpAddress,
        6 name: optional String,
        3 groups: repeated String,
        4 labels: optional Labels,
        7 port_mappings: repeated PortMapping,
    }
}

enumeration! {
    /// `mesos.v1.NetworkInfo.Protocol`.
    NetworkProtocol {
        Ipv4 "IPv4" = 1,
        Ipv6 "IPv6" = 2,
    }
}

message! {
    /// `mesos.v1.NetworkInfo.IPAddress`.
    IpAddress = "mesos.v1.NetworkInfo.IPAddress" {
        1 protocol: default NetworkProtocol = NetworkProtocol::Ipv4,
        2 ip_address: optional String,
    }
}

message! {
    /// `mesos.v1.NetworkInfo.PortMapping`.
    PortMapping = "mesos.v1.NetworkInfo.PortMapping" {
        1 host_port: required u32,
        2 container_port: required u32,
        3 protocol: optional String,
    }
}

message! {
    /// A set of Linux capabilities.
    CapabilityInfo = "mesos.v1.CapabilityInfo" {
        1 capabilities: repeated LinuxCapability,
    }
}

enumeration! {
    /// `mesos.v1.CapabilityInfo.Capability`.
    LinuxCapability {
        Unknown "UNKNOWN" = 0,
        Chown "CHOWN" = 1000,
        DacOverride "DAC_OVERRIDE" = 1001,
        DacReadSearch "DAC_READ_SEARCH" = 1002,
        Fowner "FOWNER" = 1003,
        Fsetid "FSETID" = 1004,
        Kill "KILL" = 1005,
        Setgid "SETGID" = 1006,
        Setuid "SETUID" = 1007,
        Setpcap "SETPCAP" = 1008,
        LinuxImmutable "LINUX_IMMUTABLE" = 1009,
        NetBindService "NET_BIND_SERVICE" = 1010,
        NetBroadcast "NET_BROADCAST" = 1011,
        NetAdmin "NET_ADMIN" = 1012,
        NetRaw "NET_RAW" = 1013,
        IpcLock "IPC_LOCK" = 1014,
        IpcOwner "IPC_OWNER" = 1015,
        SysModule "SYS_MODULE" = 1016,
        SysRawio "SYS_RAWIO" = 1017,
        SysChroot "SYS_CHROOT" = 1018,
        SysPtrace "SYS_PTRACE" = 1019,
        SysPacct "SYS_PACCT" = 1020,
        SysAdmin "SYS_ADMIN" = 1021,
        SysBoot "SYS_BOOT" = 1022,
        SysNice "SYS_NICE" = 1023,
        SysResource "SYS_RESOURCE" = 1024,
        SysTime "SYS_TIME" = 1025,
        SysTtyConfig "SYS_TTY_CONFIG" = 1026,
        Mknod "MKNOD" = 1027,
        Lease "LEASE" = 1028,
        AuditWrite "AUDIT_WRITE" = 1029,
        AuditControl "AUDIT_CONTROL" = 1030,
        Setfcap "SETFCAP" = 1031,
        MacOverride "MAC_OVERRIDE" = 1032,
        MacAdmin "MAC_ADMIN" = 1033,
        Syslog "SYSLOG" = 1034,
        WakeAlarm "WAKE_ALARM" = 1035,
        BlockSuspend "BLOCK_SUSPEND" = 1036,
        AuditRead "AUDIT_READ" = 1037,
        Perfmon "PERFMON" = 1038,
        Bpf "BPF" = 1039,
        CheckpointRestore "CHECKPOINT_RESTORE" = 1040,
    }
}

message! {
    /// `mesos.v1.SeccompInfo`.
    SeccompInfo = "mesos.v1.SeccompInfo" {
        1 profile_name: optional String,
        2 unconfined: optional bool,
    }
}

message! {
    /// Linux-specific properties of a container.
    LinuxInfo = "mesos.v1.LinuxInfo" {
        1 capability_info: optional CapabilityInfo,
        2 bounding_capabilities: optional CapabilityInfo,
        3 effective_capabilities: optional CapabilityInfo,
        4 share_pid_namespace: optional bool,
        5 seccomp: optional SeccompInfo,
        6 ipc_mode: optional IpcMode,
        7 shm_size: optional u32,
        8 share_cgroups: default bool = true,
    }
}

enumeration! {
    /// `mesos.v1.LinuxInfo.IpcMode`.
    IpcMode {
        Unknown "UNKNOWN" = 0,
        Private "PRIVATE" = 1,
        ShareParent "SHARE_PARENT" = 2,
    }
}

message! {
    /// Resource limits of the processes in a container.
    RlimitInfo = "mesos.v1.RLimitInfo" {
        1 rlimits: repeated Rlimit,
    }
}

message! {
    /// `mesos.v1.RLimitInfo.RLimit`.
    Rlimit = "mesos.v1.RLimitInfo.RLimit" {
        1 kind "type": optional RlimitType,
        2 hard: optional u64,
        3 soft: optional u64,
    }
}

enumeration! {
    /// `mesos.v1.RLimitInfo.RLimit.Type`.
    RlimitType {
        Unknown "UNKNOWN" = 0,
        RlmtAs "RLMT_AS" = 1,
        RlmtCore "RLMT_CORE" = 2,
        RlmtCpu "RLMT_CPU" = 3,
        RlmtData "RLMT_DATA" = 4,
        RlmtFsize "RLMT_FSIZE" = 5,
        RlmtLocks "RLMT_LOCKS" = 6,
        RlmtMemlock "RLMT_MEMLOCK" = 7,
        RlmtMsgqueue "RLMT_MSGQUEUE" = 8,
        RlmtNice "RLMT_NICE" = 9,
        RlmtNofile "RLMT_NOFILE" = 10,
        RlmtNproc "RLMT_NPROC" = 11,
        RlmtRss "RLMT_RSS" = 12,
        RlmtRtprio "RLMT_RTPRIO" = 13,
        RlmtRttime "RLMT_RTTIME" = 14,
        RlmtSigpending "RLMT_SIGPENDING" = 15,
        RlmtStack "RLMT_STACK" = 16,
    }
}

message! {
    /// `mesos.v1.TTYInfo`.
    TtyInfo = "mesos.v1.TTYInfo" {
        1 window_size: optional WindowSize,
    }
}

message! {
    /// `mesos.v1.TTYInfo.WindowSize`.
    WindowSize = "mesos.v1.TTYInfo.WindowSize" {
        1 rows: required u32,
        2 columns: required u32,
    }
}

message! {
    /// The container that a task or executor runs in.
    ContainerInfo = "mesos.v1.ContainerInfo" {
        1 kind "type": required ContainerType,
        2 volumes: repeated Volume,
        4 hostname: optional String,
        3 docker: optional DockerInfo,
        5 mesos: optional MesosInfo,
        7 network_infos: repeated NetworkInfo,
        8 linux_info: optional LinuxInfo,
        9 rlimit_info: optional RlimitInfo,
        10 tty_info: optional TtyInfo,
    }
}

enumeration! {
    /// `mesos.v1.ContainerInfo.Type`.
    ContainerType {
        Docker "DOCKER" = 1,
        Mesos "MESOS" = 2,
    }
}

message! {
    /// `mesos.v1.ContainerInfo.DockerInfo`.
    DockerInfo = "mesos.v1.ContainerInfo.DockerInfo" {
        1 image: required String,
        2 network: default DockerNetwork = DockerNetwork::Host,
        3 port_mappings: repeated DockerPortMapping,
        4 privileged: default bool = false,
        5 parameters: repeated Parameter,
        6 force_pull_image: optional bool,
        7 volume_driver: optional String,
    }
}

enumeration! {
    /// `mesos.v1.ContainerInfo.DockerInfo.Network`.
    DockerNetwork {
        Host "HOST" = 1,
        Bridge "BRIDGE" = 2,
        None "NONE" = 3,
        User "USER" = 4,
    }
}

message! {
    /// `mesos.v1.ContainerInfo.DockerInfo.PortMapping`.
    DockerPortMapping = "mesos.v1.ContainerInfo.DockerInfo.PortMapping" {
        1 host_port: required u32,
        2 container_port: required u32,
        3 protocol: optional String,
    }
}

message! {
    /// `mesos.v1.ContainerInfo.MesosInfo`.
    MesosInfo = "mesos.v1.ContainerInfo.MesosInfo" {
        1 image: optional Image,
    }
}

message! {
    /// What the agent knows about a running container.
    ContainerStatus = "mesos.v1.ContainerStatus" {
        4 container_id: optional ContainerId,
        1 network_infos: repeated NetworkInfo,
        2 cgroup_info: optional CgroupInfo,
        3 executor_pid: optional u32,
    }
}

message! {
    /// `mesos.v1.CgroupInfo`.
    CgroupInfo = "mesos.v1.CgroupInfo" {
        1 net_cls: optional NetCls,
    }
}

message! {
    /// `mesos.v1.CgroupInfo.NetCls`.
    NetCls = "mesos.v1.CgroupInfo.NetCls" {
        1 classid: optional u32,
    }
}
