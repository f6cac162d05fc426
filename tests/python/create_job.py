"""Creates a job with Apache Thrift's own library, waits until it runs, kills it, waits until it is gone.

usage: create_job.py GENERATED-CODE SCHEDULER-URL SECRET binary|json
"""
import base64
import getpass
import json
import sys
import time
import urllib.error
import urllib.request

generated, url, secret, protocol_name = sys.argv[1:5]
sys.path.insert(0, generated)

from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TJSONProtocol import TJSONProtocol
from thrift.transport.TTransport import TMemoryBuffer, TTransportBase

from gen.apache.aurora.api import AuroraAdmin
from gen.apache.aurora.api.ttypes import *

role = sys.argv[5]
# Sets of structs need a hash, which the generated classes do not have.
for kind in (Resource, Metadata, Constraint, TierConfig, JobSummary, Range, ConfigGroup, JobKey, RoleSummary):
    kind.__hash__ = lambda self: hash(repr(self))
media = {"binary": "application/vnd.apache.thrift.binary", "json": "application/x-thrift"}[protocol_name]
protocol = {"binary": TBinaryProtocol, "json": TJSONProtocol}[protocol_name]


class Http(TTransportBase):
    """One POST a call. (Thrift's own THttpClient always sends `application/x-thrift`, which means TJSON to Aurora.)"""

    def __init__(self, headers):
        self.headers, self.out, self.answer, self.code = headers, b"", TMemoryBuffer(), None

    def isOpen(self):
        return True

    def write(self, data):
        self.out += data

    def read(self, size):
        return self.answer.read(size)

    def flush(self):
        request = urllib.request.Request(url + "/api", data=self.out, headers=self.headers)
        self.out = b""
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.code, self.answer = answer.status, TMemoryBuffer(answer.read())
        except urllib.error.HTTPError as refused:
            self.code = refused.code
            raise


def client(secret):
    headers = {"Content-Type": media}
    if protocol_name == "binary":
        headers["Accept"] = media
    if secret:
        headers["Authorization"] = "Basic " + base64.b64encode(("anybody:" + secret).encode()).decode()
    transport = Http(headers)
    return AuroraAdmin.Client(protocol(transport)), transport


key = JobKey(role=role, environment="devel", name="from-thrift-" + protocol_name)
task = {
    "name": "sleeper",
    "processes": [{"name": "sleeper", "cmdline": "echo instance {{mesos.instance}} runs; exec sleep 1000",
                   "max_failures": 1, "daemon": False, "ephemeral": False, "min_duration": 5, "final": False}],
    "constraints": [], "max_failures": 1, "max_concurrency": 0, "finalization_wait": 1,
    "resources": {"cpu": 0.1, "ram": 16777216, "disk": 16777216, "gpu": 0},
}
data = {"name": key.name, "role": role, "environment": "devel", "cluster": "devcluster", "service": True, "task": task,
        "priority": 0, "max_task_failures": 1, "production": False, "enable_hooks": False, "metadata": [],
        "cron_collision_policy": "KILL_EXISTING",
        "health_check_config": {"health_checker": {"http": {"endpoint": "/health", "expected_response": "ok",
                                                            "expected_response_code": 0}},
                                "initial_interval_secs": 15.0, "interval_secs": 10.0, "max_consecutive_failures": 0,
                                "min_consecutive_successes": 1, "timeout_secs": 1.0},
        "lifecycle": {"http": {"port": "health", "graceful_shutdown_endpoint": "/quitquitquit",
                               "shutdown_endpoint": "/abortabortabort", "graceful_shutdown_wait_secs": 5,
                               "shutdown_wait_secs": 5}},
        "executor_config": {"name": "AuroraExecutor", "data": ""}}
config = TaskConfig(
    job=key, owner=Identity(user=getpass.getuser()), isService=True, priority=0, maxTaskFailures=1,
    resources={Resource(numCpus=0.1), Resource(ramMb=16), Resource(diskMb=16)}, constraints=set(), metadata=set(),
    container=Container(mesos=MesosContainer()), taskLinks={},
    executorConfig=ExecutorConfig(name="AuroraExecutor", data=json.dumps(data)))
job = JobConfiguration(key=key, owner=Identity(user=getpass.getuser()), taskConfig=config, instanceCount=2,
                       cronCollisionPolicy=CronCollisionPolicy.KILL_EXISTING)

anybody, transport = client(None)
try:
    anybody.createJob(job)
    sys.exit("createJob without the secret was answered")
except Exception as refused:
    if transport.code != 401:
        sys.exit("createJob without the secret: HTTP %s, %r" % (transport.code, refused))
print("without the secret: 401")

aurora, _ = client(secret)


def check(response, *codes):
    text = "; ".join(detail.message or "" for detail in response.details)
    if response.responseCode not in (codes or (ResponseCode.OK,)):
        sys.exit("%s: %s" % (ResponseCode._VALUES_TO_NAMES[response.responseCode], text))
    if response.serverInfo.clusterName != "devcluster":
        sys.exit("serverInfo %r" % response.serverInfo)
    return text


def wait(what, condition):
    deadline = time.monotonic() + 60
    while True:
        query = TaskQuery(jobKeys={key})
        response = aurora.getTasksWithoutConfigs(query)
        check(response)
        tasks = response.result.scheduleStatusResult.tasks
        if condition(tasks):
            return tasks
        if time.monotonic() > deadline:
            sys.exit("not %s: %r" % (what, tasks))
        time.sleep(0.05)


check(aurora.createJob(job))
print("created again:", check(aurora.createJob(job), ResponseCode.INVALID_REQUEST))
tasks = wait("running", lambda ts: len(ts) == 2 and all(t.status == ScheduleStatus.RUNNING for t in ts))
print("running:", sorted(t.assignedTask.instanceId for t in tasks))
states = [[ScheduleStatus._VALUES_TO_NAMES[e.status] for e in t.taskEvents] for t in tasks]
print("events:", states[0])
check(aurora.killTasks(key, None, "by the test"))
tasks = wait("killed", lambda ts: len(ts) == 2 and all(t.status == ScheduleStatus.KILLED for t in ts))
messages = {e.message for t in tasks for e in t.taskEvents if e.status == ScheduleStatus.KILLING}
print("killing:", sorted(messages))
print("nothing left:", check(aurora.killTasks(key, None, None)))
