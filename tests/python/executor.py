"""An executor by pymesos: says that its task runs, answers each message with it turned around, ends the task at "end"."""
import sys

from addict import Dict
from pymesos import Executor, MesosExecutorDriver, decode_data, encode_data


class Echo(Executor):
    def say(self, driver, state, message):
        update = Dict()
        update.task_id.value = self.task
        update.state = state
        update.message = message
        driver.sendStatusUpdate(update)

    def launchTask(self, driver, task):
        self.task = task.task_id.value
        self.say(driver, "TASK_RUNNING", "given %s" % decode_data(task.data).decode())

    def frameworkMessage(self, driver, message):
        text = decode_data(message).decode()
        driver.sendFrameworkMessage(encode_data(text[::-1].encode()))
        if text == "end":
            self.say(driver, "TASK_FINISHED", "told to end")

    def killTask(self, driver, task_id):
        self.say(driver, "TASK_KILLED", "told to")

    def shutdown(self, driver):
        sys.exit(0)


driver = MesosExecutorDriver(Echo(), use_addict=True)
driver.run()
