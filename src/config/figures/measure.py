"""Measures `aurora config check` beside CPython with PyPI pystachio doing the same work, in one run, turn about.

    cargo build --release -p aurora-cli -p aurora-config
    python3 src/config/figures/measure.py >> docs/figures/DATE.jsonl

Prints one JSON line a figure. Makes a virtual environment with pystachio below the build directory on first use. Memory is
that of the largest process of each run.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = pathlib.Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target'))
PYSTACHIO = 'pystachio==0.8.10'

NINE = '''
import os

class Profile(Struct):
  env = Required(String)
  instances = Default(Integer, 2)
  port = Default(String, 'http')
  image = Default(String, 'registry.example.org/web:1')

PROFILES = [Profile(env=e, instances=i) for e, i in (('devel', 1), ('test', 2), ('prod', 20))]

fetch = Process(name='fetch', cmdline='curl -O https://example.org/{{profile.env}}/web.tar.gz && tar xzf web.tar.gz')
serve = Process(name='serve', cmdline='./serve --port {{thermos.ports[http]}} --shard {{mesos.instance}} --env {{profile.env}}')
logs = Process(name='logs', daemon=True, cmdline='./ship --from {{mesos.hostname}} --to {{role}}', max_failures=0)
tidy = Process(name='tidy', final=True, cmdline='rm -rf work')

by_http = HealthCheckConfig(initial_interval_secs=20, interval_secs=5, max_consecutive_failures=3)
by_shell = HealthCheckConfig(
  health_checker=HealthCheckerConfig(shell=ShellHealthChecker(shell_command='curl -f localhost:{{thermos.ports[http]}}/up')))

CONTAINERS = [
  Docker(image='{{profile.image}}', parameters=[Parameter(name='env', value='E={{profile.env}}')]),
  Mesos(image=DockerImage(name='web', tag='{{profile.env}}'),
        volumes=[Volume(container_path='/data', host_path='/srv/data', mode='RW')]),
  Container(docker=Docker(image='{{profile.image}}')),
]

def job(name, profile, container, health):
  task = Task(
    name=name, processes=[fetch, serve, logs, tidy], constraints=order(fetch, serve),
    resources=Resources(cpu=0.5, ram=256*MB, disk=512*MB))
  return Service(
    cluster='west', role='www', environment='{{profile.env}}', name=name, instances='{{profile.instances}}', task=task,
    container=container, health_check_config=health, announce=Announcer(primary_port='{{profile.port}}'),
    update_config=UpdateConfig(batch_size=2, watch_secs=30), constraints={'rack': 'limit:2', 'zone': '{{profile.env}}'},
    metadata=[Metadata(key='team', value='web')]).bind(profile=profile)

jobs = [job('web%d' % n, profile, container, by_shell if n else by_http)
        for profile in PROFILES for n, container in enumerate(CONTAINERS)]
'''

MANY = '''
jobs = []
for number in range(COUNT):
  processes = [Process(name='p%%d' %% n, cmdline='run --job {{name}} --shard {{mesos.instance}} --step %%d' %% n) for n in range(10)]
  jobs.append(Job(
    cluster='west', role='www', environment='prod', name='job%%d' %% number,
    task=SequentialTask(name='task%%d' %% number, processes=processes, resources=Resources(cpu=1, ram=64*MB, disk=64*MB))))
'''.replace('%%', '%')


def python():
    """An interpreter with pystachio."""
    place = TARGET / 'pystachio-python'
    found = place / 'bin' / 'python'
    if not found.exists():
        subprocess.check_call([sys.executable, '-m', 'venv', str(place)])
        subprocess.check_call([str(found), '-m', 'pip', '--quiet', 'install', PYSTACHIO])
    return str(found)


def run(command):
    """Milliseconds from start to end and of processor time, and the memory of the largest process in MiB."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit('%s ended with %d' % (' '.join(command), child.returncode))
    return 1000 * (time.monotonic() - start), 1000 * (usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024


def median(values):
    return sorted(values)[len(values) // 2]


def figure(name, ours, theirs, times):
    """Runs both turn about; one line."""
    programs = {'aurora': ours, 'cpython': theirs} if theirs else {'aurora': ours}
    samples = {program: [] for program in programs}
    for _ in range(times):
        for program, command in programs.items():
            samples[program].append(run(command))
    line = {'id': 'config check', 'input': name, 'unit': 'ms', 'n': times}
    for program, found in samples.items():
        milliseconds = sorted(taken for taken, _, _ in found)
        line[program] = {
            'median': round(median(milliseconds), 1), 'min': round(milliseconds[0], 1), 'max': round(milliseconds[-1], 1),
            'processor': round(median([processor for _, processor, _ in found]), 1),
            'memory_mib': round(median([memory for _, _, memory in found]), 1)}
    if theirs:
        line['times_faster'] = round(line['cpython']['median'] / line['aurora']['median'], 2)
    print(json.dumps(line), flush=True)


def main():
    aurora = str(TARGET / 'release' / 'aurora')
    cpython = [python(), str(HERE / 'evaluate.py')]
    commit = subprocess.check_output(['git', '-C', str(ROOT), 'rev-parse', '--short', 'HEAD'], text=True).strip()
    print(json.dumps({
        'id': 'machine', 'cores': os.cpu_count(), 'load': [round(load, 2) for load in os.getloadavg()], 'commit': commit,
        'date': time.strftime('%Y-%m-%d'), 'cpython': platform.python_version(), 'pystachio': PYSTACHIO,
        'command': 'python3 src/config/figures/measure.py', 'niceness': os.nice(0)}), flush=True)
    with tempfile.TemporaryDirectory() as directory:
        def compare(name, text, times, beside=True):
            path = pathlib.Path(directory) / name
            path.write_text(text)
            theirs = cpython + [str(path)] if beside else None
            figure(name, [aurora, 'config', 'check', str(path)], theirs, times)
        hello = (ROOT / 'examples' / 'hello_world.aurora').read_text()
        compare('hello_world.aurora', hello, 25)
        compare('nine_jobs.aurora', NINE, 15)
        for count in (125, 250, 500, 1000):
            text = 'COUNT = %d\n%s' % (count, MANY)
            compare('%d_jobs_of_10_processes.aurora' % count, text, 5, beside=count <= 125)


main()
