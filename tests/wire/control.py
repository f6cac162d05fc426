#!/usr/bin/env python3
"""Starts, kills and pauses the master and the agent of a wire run; standard library only.

    control.py DIRECTORY ACTION

DIRECTORY holds `commands.json`, {"master": [argv], "agent": [argv]}, with `{port}` and `{master}` for what is known only once a
daemon listens, and keeps logs and process ids. The first start takes a port from the kernel, every later one the same again.
Actions: start (prints both URLs), agent-kill, agent-start, agent-pause, agent-resume, agent-leave, agent-wipe, master-kill,
master-start.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

DEADLINE = 30.0


def wait(what, condition):
    """Calls the condition until it gives something true."""
    give_up = time.monotonic() + DEADLINE
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > give_up:
            raise SystemExit('%s: not within %d s' % (what, DEADLINE))
        time.sleep(0.01)


def alive(pid):
    try:
        with open('/proc/%d/stat' % pid) as stat:
            return stat.read().rsplit(') ', 1)[1][0] not in 'ZX'
    except FileNotFoundError:
        return False


class Pair:
    def __init__(self, directory):
        self.directory = directory
        with open(self.path('commands.json')) as file:
            self.commands = json.load(file)

    def path(self, name):
        return os.path.join(self.directory, name)

    def known(self, name):
        """What is known of a daemon since its last start: {"pid", "address"}."""
        try:
            with open(self.path(name + '.json')) as file:
                return json.load(file)
        except FileNotFoundError:
            return {'pid': 0, 'address': '127.0.0.1:0'}

    def start(self, name):
        values = {'port': self.known(name)['address'].rsplit(':', 1)[1], 'master': self.known('master')['address']}
        argv = [word.format(**values) for word in self.commands[name]]
        out = self.path(name + '.out')
        with open(out, 'wb') as ready, open(self.path(name + '.log'), 'ab') as log:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=ready, stderr=log, start_new_session=True)

        def line():
            if child.poll() is not None:
                raise SystemExit('%s ended with %d; see %s' % (name, child.returncode, self.path(name + '.log')))
            with open(out) as file:
                text = file.read()
            return text if text.endswith('\n') else None

        ready = json.loads(wait('%s is ready' % name, line))['ready']
        with open(self.path(name + '.json'), 'w') as file:
            json.dump({'pid': child.pid, 'address': ready['address']}, file)

    def signal(self, name, number, ends):
        pid = self.known(name)['pid']
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        if ends:
            wait('%s to end' % name, lambda: not alive(pid))


def main(directory, action):
    pair = Pair(directory)
    if action == 'start':
        pair.start('master')
        pair.start('agent')
        for name in ('master', 'agent'):
            print('http://' + pair.known(name)['address'])
    elif action == 'agent-wipe':
        shutil.rmtree(pair.path('agent/meta'), ignore_errors=True)
    elif action in ('agent-start', 'master-start'):
        pair.start(action.split('-')[0])
    else:
        name, verb = action.split('-')
        numbers = {'kill': signal.SIGKILL, 'pause': signal.SIGSTOP, 'resume': signal.SIGCONT, 'leave': signal.SIGUSR1}
        pair.signal(name, numbers[verb], ends=verb in ('kill', 'leave'))


if __name__ == '__main__':
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])
