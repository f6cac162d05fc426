"""Runs one task through pymesos: prints each state as it comes, then where the task ran.

usage: run_task.py MASTER SECRET COMMAND
       run_task.py MASTER SECRET --executor COMMAND     the command is the task's executor, which is sent "end" once the task runs
"""
import sys
import threading

from addict import Dict
from pymesos import MesosSchedulerDriver, Scheduler, decode_data, encode_data

master, secret = sys.argv[1:3]
executor = sys.argv[3] == "--executor"
command = sys.argv[4] if executor else sys.argv[3]


class OneTask(Scheduler):
    def __init__(self):
        self.launched = False
        self.ended = threading.Event()

    def resourceOffers(self, driver, offers):
        for offer in offers:
            cpus = sum(r.scalar.value for r in offer.resources if r.name == "cpus")
            if self.launched or cpus < 0.2:
                driver.declineOffer(offer.id)
                continue
            self.launched = True
            task = Dict()
            task.task_id.value = "by-hand"
            task.agent_id.value = offer.agent_id.value
            task.name = "by hand"
            if executor:
                task.data = encode_data(b"some data")
                task.executor.executor_id.value = "by-hand"
                task.executor.command.value = command
                task.executor.resources = [
                    dict(name="cpus", type="SCALAR", scalar={"value": 0.1}),
                    dict(name="mem", type="SCALAR", scalar={"value": 32}),
                ]
            else:
                task.command.value = command
            task.resources = [
                dict(name="cpus", type="SCALAR", scalar={"value": 0.1}),
                dict(name="mem", type="SCALAR", scalar={"value": 32}),
            ]
            driver.launchTasks(offer.id, [task])

    def statusUpdate(self, driver, update):
        print(update.state, update.get("message", ""), flush=True)
        if executor and update.state == "TASK_RUNNING":
            # An agent does not fill in the executor that pymesos leaves out.
            driver.sendFrameworkMessage(Dict(value="by-hand"), update.agent_id, encode_data(b"end"))
        if update.state in ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR"):
            print("agent", update.agent_id.value, flush=True)
            self.ended.set()

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        print("message", decode_data(message).decode(), flush=True)


framework = Dict(user="root" if __import__("os").getuid() == 0 else __import__("getpass").getuser(), name="by hand")
scheduler = OneTask()
driver = MesosSchedulerDriver(scheduler, framework, master, principal="anybody", secret=secret, use_addict=True)
driver.start()
if not scheduler.ended.wait(60):
    sys.exit("no terminal state within 60 s")
driver.stop()
driver.join()
