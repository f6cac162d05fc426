#!/usr/bin/env python3
"""Writes thrift.json: values of every type of Aurora's model as Apache Thrift's own library encodes them.

    thrift -r --gen py storage.thrift && thrift --gen py thermos_internal.thrift    # upstream's IDL, Thrift 0.17
    python3 make_vectors.py gen-py > thrift.json                                     # PyPI thrift 0.20.0

Every field of every struct is filled, every member of every union has a case, sets and maps hold one element (so that
their order cannot differ). `json` is the value by field names, read off the library's objects; enumerations as names.
"""
import base64
import importlib
import json
import sys

sys.path.insert(0, sys.argv[1])

from thrift.Thrift import TType
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TJSONProtocol import TJSONProtocol
from thrift.transport.TTransport import TMemoryBuffer

api = importlib.import_module("gen.apache.aurora.api.ttypes")
storage = importlib.import_module("gen.apache.aurora.storage.ttypes")
thermos = importlib.import_module("gen.apache.thermos.ttypes")
services = [importlib.import_module("gen.apache.aurora.api." + name)
            for name in ("AuroraAdmin", "AuroraSchedulerManager", "ReadOnlyScheduler")]
admin = services[0]

UNIONS = {
    "TaskConstraint", "LockKey", "Image", "Container", "Resource", "SlaPolicy", "JobUpdateStrategy", "Result", "Op",
    "Frame", "LogEntry", "RunnerCkpt",
}
# (class, field) -> enumeration; the generated code has forgotten that these numbers are one.
ENUMS = {
    ("HostAttributes", "mode"): api.MaintenanceMode, ("HostStatus", "mode"): api.MaintenanceMode,
    ("Volume", "mode"): api.Mode, ("JobConfiguration", "cronCollisionPolicy"): api.CronCollisionPolicy,
    ("TaskEvent", "status"): api.ScheduleStatus, ("ScheduledTask", "status"): api.ScheduleStatus,
    ("TaskQuery", "statuses"): api.ScheduleStatus, ("JobUpdateEvent", "status"): api.JobUpdateStatus,
    ("JobUpdateState", "status"): api.JobUpdateStatus, ("JobInstanceUpdateEvent", "action"): api.JobUpdateAction,
    ("JobUpdateQuery", "updateStatuses"): api.JobUpdateStatus, ("PulseJobUpdateResult", "status"): api.JobUpdatePulseStatus,
    ("Response", "responseCode"): api.ResponseCode, ("forceTaskState_args", "status"): api.ScheduleStatus,
    ("ProcessStatus", "state"): thermos.ProcessState, ("TaskStatus", "state"): thermos.TaskState,
}
counter = 0


def fresh():
    global counter
    counter += 1
    return counter


def make(kind, args, owner, field):
    enum = ENUMS.get((owner, field))
    if kind == TType.BOOL:
        return True
    if kind == TType.DOUBLE:
        return fresh() + 0.25
    if kind == TType.I32:
        if enum:
            return sorted(enum._VALUES_TO_NAMES)[fresh() % len(enum._VALUES_TO_NAMES)]
        return fresh() if fresh() % 3 else -fresh()
    if kind == TType.I64:
        return 1700000000000 + fresh()
    if kind == TType.STRING:
        if args == "BINARY":
            return bytes([fresh() % 256, 0, 255])
        return 'text %d "q" \\ / é\n' % fresh()
    if kind == TType.STRUCT:
        cls = args[0]
        return union(cls, fresh()) if cls.__name__ in UNIONS else struct(cls)
    if kind == TType.LIST:
        return [make(args[0], args[1], owner, field) for _ in range(2)]
    if kind == TType.SET:
        return {Frozen(make(args[0], args[1], owner, field))}
    if kind == TType.MAP:
        return {make(args[0], args[1], owner, field): make(args[2], args[3], owner, field)}
    raise AssertionError(kind)


def Frozen(value):
    if hasattr(value, "thrift_spec"):
        value.__class__.__hash__ = lambda self: 1
    return value


def specs(cls):
    return [spec for spec in (cls.thrift_spec or ()) if spec]


def struct(cls):
    value = cls()
    for _id, kind, name, args, _default in specs(cls):
        setattr(value, name, make(kind, args, cls.__name__, name))
    return value


def union(cls, which):
    members = specs(cls)
    _id, kind, name, args, _default = members[which % len(members)]
    value = cls()
    setattr(value, name, make(kind, args, cls.__name__, name))
    return value


def plain(value, owner="", field=""):
    enum = ENUMS.get((owner, field))
    if isinstance(value, bool):
        return value
    if enum and isinstance(value, int):
        return enum._VALUES_TO_NAMES[value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, set)):
        return [plain(v, owner, field) for v in value]
    if isinstance(value, dict):
        return {k: plain(v, owner, field) for k, v in value.items()}
    if hasattr(value, "thrift_spec"):
        cls = value.__class__
        return {
            name: plain(getattr(value, name), cls.__name__, name)
            for _id, _kind, name, _args, _default in specs(cls)
            if getattr(value, name) is not None
        }
    return value


def encode(protocol, write):
    buffer = TMemoryBuffer()
    write(protocol(buffer))
    return buffer.getvalue()


def case(module, cls, value):
    return {
        "type": "%s.%s" % (module, cls.__name__),
        "binary": base64.b64encode(encode(TBinaryProtocol, value.write)).decode(),
        "tjson": encode(TJSONProtocol, value.write).decode(),
        "json": plain(value),
    }


cases = []
for label, module in (("api", api), ("storage", storage), ("thermos", thermos)):
    for name, cls in sorted(vars(module).items()):
        if not hasattr(cls, "thrift_spec") or cls.__module__ != module.__name__:
            continue
        if name in UNIONS:
            cases += [case(label, cls, union(cls, i)) for i in range(len(specs(cls)))]
        else:
            cases.append(case(label, cls, struct(cls)))



def of_services(name):
    return next(getattr(module, name) for module in services if hasattr(module, name))


calls = []
for name in sorted(dir(admin.Iface)):
    if name.startswith("_"):
        continue
    args = struct(of_services(name + "_args"))
    by_name = {spec[2]: getattr(args, spec[2]) for spec in specs(args.__class__)}

    def send(protocol):
        client = admin.Client(protocol)
        client._seqid = 7
        getattr(client, "send_" + name)(**by_name)

    result = api.Response(responseCode=1, details=[api.ResponseDetail(message="m")])
    reply = of_services(name + "_result")(success=result)

    def answer(protocol):
        protocol.writeMessageBegin(name, 2, 7)
        reply.write(protocol)
        protocol.writeMessageEnd()

    calls.append({
        "method": name,
        "binary": base64.b64encode(encode(TBinaryProtocol, send)).decode(),
        "tjson": encode(TJSONProtocol, send).decode(),
        "reply_binary": base64.b64encode(encode(TBinaryProtocol, answer)).decode(),
        "reply_tjson": encode(TJSONProtocol, answer).decode(),
    })

json.dump({"format": 1, "library": "Apache Thrift 0.20.0 (PyPI), compiler 0.17.0", "cases": cases, "calls": calls},
          sys.stdout, indent=1, sort_keys=True)
print()
