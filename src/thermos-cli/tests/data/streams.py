"""Checkpoint streams by Apache Thrift's own library and the code that its compiler makes of checkpoint.thrift.

usage: streams.py GENERATED read STREAM      prints a line for each record, without what differs from run to run
       streams.py GENERATED write STREAM     writes the stream of a task that failed
"""
import struct
import sys

generated, verb, path = sys.argv[1:4]
sys.path.insert(0, generated)

from checkpoint.ttypes import ProcessState, ProcessStatus, RunnerCkpt, RunnerHeader, TaskState, TaskStatus
from thrift.TSerialization import deserialize, serialize

STATES = {"process_status": ProcessState, "task_status": TaskState}
STEADY = ("task_id", "seq", "process", "state", "return_code", "ports")


def read():
    with open(path, "rb") as stream:
        while head := stream.read(4):
            record = deserialize(RunnerCkpt(), stream.read(struct.unpack(">L", head)[0]))
            ((kind, value),) = [(k, v) for k, v in vars(record).items() if v is not None]
            words = [kind]
            for name, field in vars(value).items():
                if name == "state":
                    field = STATES[kind]._VALUES_TO_NAMES[field]
                if field is not None:
                    words.append(f"{name}={field}" if name in STEADY else name)
            print(*words)


def write():
    def status(state):
        return RunnerCkpt(task_status=TaskStatus(state=state, timestamp_ms=1700000000123, runner_pid=7, runner_uid=0))

    def process(seq, state, **fields):
        return RunnerCkpt(process_status=ProcessStatus(seq=seq, process="p", state=state, **fields))

    records = [
        status(TaskState.ACTIVE),
        RunnerCkpt(runner_header=RunnerHeader(
            task_id="w-1", launch_time_ms=1700000000123, sandbox="/s", hostname="h", user="nobody", ports={"http": 80},
            log_dir="/s/.logs", uid=65534)),
        process(0, ProcessState.WAITING),
        process(1, ProcessState.FORKED, fork_time=1700000001.5, coordinator_pid=8),
        process(2, ProcessState.RUNNING, start_time=1700000002.5, pid=9),
        process(3, ProcessState.FAILED, stop_time=1700000003.5, return_code=7),
        status(TaskState.CLEANING),
        status(TaskState.FINALIZING),
        status(TaskState.FAILED),
    ]
    with open(path, "wb") as stream:
        for record in records:
            body = serialize(record)
            stream.write(struct.pack(">L", len(body)) + body)


{"read": read, "write": write}[verb]()
